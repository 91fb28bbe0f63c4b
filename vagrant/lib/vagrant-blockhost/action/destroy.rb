# frozen_string_literal: true

require_relative "base"
require_relative "../clock"

module VagrantPlugins
  module Blockhost
    module Action
      # From any state. A create whose Vagrant was killed may still be at work: it is waited for.
      class Destroy < Base
        PATIENCE_SECONDS = 180

        def call(env)
          say(env, "destroying")
          deadline = Clock.now + PATIENCE_SECONDS
          begin
            program(env, "destroy", env[:machine].id)
          rescue Errors::CommandFailed
            raise unless env[:machine].state.id == :preparing && Clock.now < deadline && !env[:interrupted]

            sleep 1
            retry
          end
          env[:machine].id = nil
          @app.call(env)
        end
      end
    end
  end
end
