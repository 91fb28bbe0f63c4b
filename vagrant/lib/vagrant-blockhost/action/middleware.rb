# frozen_string_literal: true

module VagrantPlugins
  module Blockhost
    module Action
      # What Vagrant expects of each link of an action's chain.
      class Middleware
        def initialize(app, _env)
          @app = app
        end
      end
    end
  end
end
