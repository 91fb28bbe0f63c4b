# frozen_string_literal: true

require_relative "base"

module VagrantPlugins
  module Blockhost
    module Action
      # What comes after the guest was asked in vain, or when it must not be asked.
      class Halt < Base
        def call(env)
          machine = env[:machine]
          unless machine.state.id == :off
            say(env, "halting")
            program(env, env[:force_halt] ? "kill" : "stop", machine.id)
          end
          @app.call(env)
        end
      end
    end
  end
end
