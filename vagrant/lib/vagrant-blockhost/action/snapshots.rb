# frozen_string_literal: true

require_relative "base"

module VagrantPlugins
  module Blockhost
    module Action
      class SnapshotSave < Base
        def call(env)
          name = env[:snapshot_name]
          env[:ui].info(I18n.t("vagrant.actions.vm.snapshot.saving", name: name))
          program(env, "snapshot", "create", env[:machine].id, name)
          env[:ui].success(I18n.t("vagrant.actions.vm.snapshot.saved", name: name))
          @app.call(env)
        end
      end

      class SnapshotRestore < Base
        def call(env)
          name = env[:snapshot_name]
          env[:ui].info(I18n.t("vagrant.actions.vm.snapshot.restoring", name: name))
          program(env, "snapshot", "restore", env[:machine].id, name)
          @app.call(env)
        end
      end

      class SnapshotDelete < Base
        def call(env)
          name = env[:snapshot_name]
          env[:ui].info(I18n.t("vagrant.actions.vm.snapshot.deleting", name: name))
          program(env, "snapshot", "delete", env[:machine].id, name)
          env[:ui].info(I18n.t("vagrant.actions.vm.snapshot.deleted", name: name))
          @app.call(env)
        end
      end
    end
  end
end
