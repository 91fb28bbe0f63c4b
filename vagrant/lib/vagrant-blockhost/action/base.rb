# frozen_string_literal: true

require_relative "middleware"
require_relative "../inventory"
require_relative "../program"

module VagrantPlugins
  module Blockhost
    module Action
      # A middleware that runs commands of blockhost-qemu for one machine.
      class Base < Middleware
        private

        # Runs a verb; a Ctrl-C ends it, and it undoes what it did.
        def program(env, verb, *words, &progress)
          Program.run(verb, *words, interrupted: -> { env[:interrupted] }, &progress)
        ensure
          Inventory.forget
        end

        def say(env, key, **values)
          env[:ui].info(I18n.t("vagrant_blockhost.#{key}", **values))
        end

        def detail(env)
          ->(line) { env[:ui].detail(line) }
        end
      end
    end
  end
end
