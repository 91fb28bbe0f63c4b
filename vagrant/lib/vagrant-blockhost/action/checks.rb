# frozen_string_literal: true

require "vagrant/util/is_port_open"

require_relative "middleware"
require_relative "../errors"
require_relative "../network_plan"

module VagrantPlugins
  module Blockhost
    module Action
      # Ends with the reason when nobody can tell what the machine is doing, or somebody works on it.
      class StateKnown < Middleware
        def call(env)
          state = env[:machine].state
          raise Errors::StateUnknown, reason: state.long_description if state.id == :unknown
          raise Errors::Busy, name: env[:machine].name if state.id == :preparing

          @app.call(env)
        end
      end

      class MustRun < Middleware
        def call(env)
          state = env[:machine].state.id
          raise Vagrant::Errors::VMNotCreatedError if state == :not_created
          raise Vagrant::Errors::VMNotRunningError unless state == :running

          @app.call(env)
        end
      end

      # A person at a session decides how long to wait for the guest, which may be suspended.
      class OpenSession < Middleware
        def call(env)
          ssh = env[:machine].config.ssh
          env[:ssh_info] = env[:machine].ssh_info&.merge(extra_args: ssh.extra_args || ssh.default.extra_args)
          @app.call(env)
        end
      end

      class Unsupported
        def initialize(_app, _env, name)
          @name = name
        end

        def call(_env)
          raise Errors::ActionNotSupported, action: @name
        end
      end

      # Vagrant's rule for ssh is not used: left in place, it would be corrected to some other port, and then
      # look like one that the Vagrantfile asks for.
      class OwnSshPort < Middleware
        def call(env)
          env[:machine].config.vm.networks.each do |type, options|
            options[:disabled] = true if type == :forwarded_port && NetworkPlan.default_ssh?(options)
          end
          @app.call(env)
        end
      end

      # Ports are forwarded from the loopback interface unless the Vagrantfile names another.
      PortCheck = lambda do |host_ip, port|
        Vagrant::Util::IsPortOpen.is_port_open?(host_ip || "127.0.0.1", port)
      end
    end
  end
end
