# frozen_string_literal: true

require "fileutils"
require "json"

require_relative "base"
require_relative "../recipe"

module VagrantPlugins
  module Blockhost
    module Action
      # Makes blockhost.limits of the Vagrantfile those of the machine. Limits that somebody else set stay while
      # the Vagrantfile has none and had none.
      class Limits < Base
        def call(env)
          note = env[:machine].data_dir.join("blockhost-limits")
          wanted = env[:machine].provider_config.limits
          apply(env, wanted) if wanted.any? || note.file?
          wanted.empty? ? FileUtils.rm_f(note) : note.write(JSON.generate(wanted))
          @app.call(env)
        end

        private

        def apply(env, wanted)
          program(env, "throttle", env[:machine].id, "--reset", *Recipe.new(env[:machine]).limit_options)
        rescue Errors::CommandFailed => e
          raise if wanted.empty?

          raise Errors::LimitsFailed, keys: wanted.keys.join(", "), reason: e.message
        end
      end
    end
  end
end
