# frozen_string_literal: true

require_relative "base"
require_relative "../clock"
require_relative "../errors"
require_relative "../recipe"

module VagrantPlugins
  module Blockhost
    module Action
      # A machine without a box starts from the provisioner's template, which is built once per host.
      class EnsureTemplate < Base
        LOCK = "blockhost-template"
        # A build in emulation on a slow line ends within this.
        PATIENCE_SECONDS = 3600
        PAUSE_SECONDS = 0.5

        def call(env)
          if needed?(env)
            in_turn(env) do
              next unless needed?(env)

              build(env)
            end
          end
          @app.call(env)
        end

        private

        def build(env)
          say(env, "building_template")
          program(env, "build-template", &detail(env))
        rescue Errors::CommandFailed => e
          raise Vagrant::Errors::VagrantInterrupt if env[:interrupted]

          raise Errors::NoTemplate, reason: e.message
        end

        # Waits while another Vagrant builds it, for which Vagrant's own lock neither has an end nor knows a Ctrl-C.
        def in_turn(env, &block)
          deadline ||= Clock.now + PATIENCE_SECONDS
          env[:machine].env.lock(LOCK, &block)
        rescue Vagrant::Errors::EnvironmentLockedError
          raise Vagrant::Errors::VagrantInterrupt if env[:interrupted]
          raise Errors::TemplateBusy, minutes: PATIENCE_SECONDS / 60 if Clock.now > deadline

          sleep(PAUSE_SECONDS)
          retry
        end

        def needed?(env)
          Recipe.new(env[:machine]).template? && env[:machine].provider_config.template.nil? &&
            Inventory.template.nil?
        end
      end
    end
  end
end
