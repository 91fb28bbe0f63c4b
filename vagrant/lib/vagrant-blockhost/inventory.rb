# frozen_string_literal: true

require_relative "clock"
require_relative "program"

module VagrantPlugins
  module Blockhost
    # What blockhost-qemu says of the machines of this project. Vagrant asks for a machine's state several
    # times per command: one look serves all machines for a moment, until something is changed by us.
    module Inventory
      SECONDS = 1.0

      @lock = Mutex.new
      @machines = {}
      @looked = nil

      module_function

      # @param ids [Array<String>] ids of all machines of the project
      # @return [Hash] the description of the machine `id` (blockhost-qemu inspect)
      def fetch(id, ids = [])
        @lock.synchronize do
          look([id, *ids].uniq) unless fresh? && @machines.key?(id)
          @machines.fetch(id)
        end
      end

      # The id of the template new machines start from, or nil.
      def template
        Program.json("inspect")["template"]
      end

      # To be called after everything that changes a machine.
      def forget
        @lock.synchronize { @looked = nil }
      end

      def fresh?
        @looked && Clock.now - @looked < SECONDS
      end

      def look(ids)
        reply = Program.json("inspect", *ids)
        list = reply.key?("vms") ? reply["vms"] : [reply]
        @machines = list.to_h { |vm| [vm["name"], vm] }
        @looked = Clock.now
      end
      private_class_method :fresh?, :look
    end
  end
end
