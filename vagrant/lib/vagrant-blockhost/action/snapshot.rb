# frozen_string_literal: true

require_relative "base"

module VagrantPlugins
  module Blockhost
    module Action
      # One of `blockhost-qemu snapshot create|restore|delete`, with Vagrant's own words before and after.
      class Snapshot < Base
        WORDS = {
          "create" => ["saving", "saved"],
          "restore" => ["restoring", nil],
          "delete" => ["deleting", "deleted"],
        }.freeze

        def initialize(app, env, verb)
          super(app, env)
          @verb = verb
        end

        def call(env)
          before, after = WORDS.fetch(@verb)
          tell(env, before)
          program(env, "snapshot", @verb, env[:machine].id, env[:snapshot_name])
          tell(env, after) if after
          @app.call(env)
        end

        private

        def tell(env, word)
          env[:ui].info(I18n.t("vagrant.actions.vm.snapshot.#{word}", name: env[:snapshot_name]))
        end
      end
    end
  end
end
