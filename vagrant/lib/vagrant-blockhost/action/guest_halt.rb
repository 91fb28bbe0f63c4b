# frozen_string_literal: true

require "net/ssh/errors"

require_relative "middleware"
require_relative "../errors"
require_relative "../guest_call"

module VagrantPlugins
  module Blockhost
    module Action
      # Asks the guest to power off, as Vagrant's GracefulHalt does, but looks at the machine all the while: it ends
      # with the machine, with its time, or with a Ctrl-C. env[:result] tells whether the machine is off.
      class GuestHalt < Middleware
        def call(env)
          env[:result] = !env[:force_halt] && env[:machine].state.id == :running && halted?(env)
          @app.call(env)
        end

        private

        def halted?(env)
          env[:ui].output(I18n.t("vagrant.actions.vm.halt.graceful"))
          seconds = env[:machine].config.vm.graceful_halt_timeout
          asked?(env, seconds) && GuestCall.run(env, seconds) { sleep }
          env[:machine].state.id == :off
        end

        # @return [Boolean] whether it makes sense to wait
        def asked?(env, seconds)
          GuestCall.run(env, seconds) { env[:machine].guest.capability(:halt) }
        rescue SystemCallError, IOError, Net::SSH::Exception, Errors::GuestSilent
          # The connection went with the guest.
          true
        rescue Vagrant::Errors::VagrantInterrupt
          raise
        rescue Vagrant::Errors::GuestCapabilityNotFound
          false
        rescue Vagrant::Errors::MachineGuestNotReady
          env[:ui].detail(I18n.t("vagrant.actions.vm.halt.guest_not_ready"))
          false
        rescue Vagrant::Errors::VagrantError => e
          env[:ui].detail(e.message)
          false
        end
      end
    end
  end
end
