# frozen_string_literal: true

module VagrantPlugins
  module Blockhost
    module Errors
      class Base < Vagrant::Errors::VagrantError
        error_namespace("vagrant_blockhost.errors")
      end

      class ProgramMissing < Base
        error_key(:program_missing)
      end

      class QemuMissing < Base
        error_key(:qemu_missing)
      end

      # A command of blockhost-qemu failed; its own words say why.
      class CommandFailed < Base
        error_key(:command_failed)
      end

      class LimitsFailed < Base
        error_key(:limits_failed)
      end

      class FolderNotSupported < Base
        error_key(:folder_not_supported)
      end

      class BadReply < Base
        error_key(:bad_reply)
      end

      class BadBox < Base
        error_key(:bad_box)
      end

      class ActionNotSupported < Base
        error_key(:action_not_supported)
      end

      class NetworksNotSet < Base
        error_key(:networks_not_set)
      end

      class GuestSilent < Base
        error_key(:guest_silent)
      end

      class NoTemplate < Base
        error_key(:no_template)
      end

      class TemplateBusy < Base
        error_key(:template_busy)
      end

      class StateUnknown < Base
        error_key(:state_unknown)
      end

      class Busy < Base
        error_key(:busy)
      end
    end
  end
end
