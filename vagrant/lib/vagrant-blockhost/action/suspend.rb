# frozen_string_literal: true

require_relative "base"

module VagrantPlugins
  module Blockhost
    module Action
      # Halts the guest where it is; it keeps its memory on the host.
      class Suspend < Base
        def call(env)
          if env[:machine].state.id == :running
            say(env, "suspending")
            program(env, "pause", env[:machine].id)
          else
            env[:ui].info(I18n.t("vagrant.commands.common.vm_not_running"))
          end
          @app.call(env)
        end
      end

      class NotPaused < Base
        def call(env)
          say(env, "not_paused", state: env[:machine].state.short_description)
          @app.call(env)
        end
      end

      class Resume < Base
        def call(env)
          if env[:machine].state.id == :paused
            say(env, "resuming")
            program(env, "start", env[:machine].id)
          end
          @app.call(env)
        end
      end
    end
  end
end
