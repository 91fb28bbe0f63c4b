# frozen_string_literal: true

require_relative "middleware"
require_relative "../inventory"
require_relative "../program"

module VagrantPlugins
  module Blockhost
    module Action
      # A middleware that runs commands of blockhost-qemu for one machine.
      class Base < Middleware
        # Options of the program => the settings they come from.
        SETTINGS = { "--cpu" => "cpus", "--memory" => "memory", "--disk" => "disk" }.freeze

        private

        # Runs a verb; a Ctrl-C ends it, and it undoes what it did.
        def program(env, verb, *words, &progress)
          Program.run(verb, *words, interrupted: -> { env[:interrupted] }, &progress)
        rescue Errors::CommandFailed => e
          raise by_setting(e)
        ensure
          Inventory.forget
        end

        # What the program says of an option, such as that this host has less memory, is told by its setting.
        def by_setting(error)
          words = error.extra_data
          key = SETTINGS[words[:reason][/--[a-z-]+/]] or return error
          Errors::CommandFailed.new(command: words[:command], reason: "blockhost.#{key}: #{words[:reason]}")
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
