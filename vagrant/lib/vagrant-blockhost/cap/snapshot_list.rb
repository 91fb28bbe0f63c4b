# frozen_string_literal: true

require_relative "../program"

module VagrantPlugins
  module Blockhost
    module Cap
      module SnapshotList
        # @return [Array<String>] names, oldest first
        def self.snapshot_list(machine)
          return [] if machine.id.nil?

          Program.json("snapshot", "list", machine.id, "--json").map { |snapshot| snapshot["name"] }
        end
      end
    end
  end
end
