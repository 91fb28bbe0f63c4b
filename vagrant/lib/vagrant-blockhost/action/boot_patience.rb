# frozen_string_literal: true

require_relative "middleware"

module VagrantPlugins
  module Blockhost
    module Action
      # Gives a guest in emulation the time it needs to boot, unless the Vagrantfile names one.
      class BootPatience < Middleware
        DEFAULT_SECONDS = 300
        EMULATED_SECONDS = 900

        def call(env)
          vm = env[:machine].config.vm
          emulated = env[:machine].provider.description["accel"] == "tcg"
          vm.boot_timeout = EMULATED_SECONDS if emulated && vm.boot_timeout == DEFAULT_SECONDS
          @app.call(env)
        end
      end
    end
  end
end
