# frozen_string_literal: true

require_relative "base"
require_relative "../recipe"

module VagrantPlugins
  module Blockhost
    module Action
      # Starts a machine that is off, as the Vagrantfile now wants it.
      class Start < Base
        def call(env)
          id = env[:machine].id
          options = Recipe.new(env[:machine]).configure_options
          program(env, "configure", id, *options) unless options.empty?
          say(env, "starting", name: id)
          program(env, "start", id, &detail(env))
          @app.call(env)
        end
      end
    end
  end
end
