# frozen_string_literal: true

module VagrantPlugins
  module Blockhost
    # Deadlines go by it: the time of day may be set meanwhile.
    module Clock
      # @return [Float] seconds since some moment in the past
      def self.now
        Process.clock_gettime(Process::CLOCK_MONOTONIC)
      end
    end
  end
end
