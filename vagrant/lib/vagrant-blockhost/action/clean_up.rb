# frozen_string_literal: true

require_relative "base"

module VagrantPlugins
  module Blockhost
    module Action
      # Removes what an `up` that was killed left behind.
      class CleanUp < Base
        def call(env)
          say(env, "cleaning_up")
          program(env, "destroy", env[:machine].id)
          env[:machine].id = nil
          @app.call(env)
        end
      end
    end
  end
end
