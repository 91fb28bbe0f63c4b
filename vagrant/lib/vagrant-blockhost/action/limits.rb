# frozen_string_literal: true

require_relative "base"
require_relative "../recipe"

module VagrantPlugins
  module Blockhost
    module Action
      # blockhost.limits of the Vagrantfile. Also gives a guest in emulation the time it needs to boot.
      class Limits < Base
        DEFAULT_BOOT_SECONDS = 300
        EMULATED_BOOT_SECONDS = 900

        def call(env)
          options = Recipe.new(env[:machine]).limit_options
          program(env, "throttle", env[:machine].id, *options) unless options.empty?
          vm = env[:machine].config.vm
          emulated = env[:machine].provider.description["accel"] == "tcg"
          vm.boot_timeout = EMULATED_BOOT_SECONDS if emulated && vm.boot_timeout == DEFAULT_BOOT_SECONDS
          @app.call(env)
        end
      end
    end
  end
end
