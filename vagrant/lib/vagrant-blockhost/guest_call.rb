# frozen_string_literal: true

require_relative "clock"

module VagrantPlugins
  module Blockhost
    # Something that Vagrant does in the guest by ssh, for which it sets no limit. A guest on a bridge that powers
    # off takes its end of the connection with it: nobody closes it, and whoever waits there does so for ever.
    module GuestCall
      LOOK_SECONDS = 1

      module_function

      # @param seconds [Numeric] how long it may take
      # @return [Boolean] whether the block came to its end; false when it took too long, or the machine is off
      # @raise [Vagrant::Errors::VagrantInterrupt] after a Ctrl-C
      # @raise what the block raises
      def run(env, seconds, &block)
        deadline = Clock.now + seconds
        call = Thread.new(&block)
        call.report_on_exception = false
        until call.join(LOOK_SECONDS)
          raise Vagrant::Errors::VagrantInterrupt if env[:interrupted]
          return false if Clock.now > deadline || env[:machine].state.id == :off
        end
        true
      ensure
        call&.kill
      end
    end
  end
end
