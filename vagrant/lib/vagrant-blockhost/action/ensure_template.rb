# frozen_string_literal: true

require_relative "base"
require_relative "../recipe"

module VagrantPlugins
  module Blockhost
    module Action
      # A machine without a box starts from the provisioner's template, which is built once per host.
      class EnsureTemplate < Base
        LOCK = "blockhost-template"

        def call(env)
          if needed?(env)
            env[:machine].env.lock(LOCK, retry: true) do
              next unless needed?(env)

              say(env, "building_template")
              program(env, "build-template", &detail(env))
            end
          end
          @app.call(env)
        end

        private

        def needed?(env)
          Recipe.new(env[:machine]).template? && env[:machine].provider_config.template.nil? &&
            Inventory.template.nil?
        end
      end
    end
  end
end
