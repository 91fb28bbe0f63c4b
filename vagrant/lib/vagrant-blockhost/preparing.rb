# frozen_string_literal: true

module VagrantPlugins
  module Blockhost
    # A note that this machine is being made, by a process that lives. Vagrant wipes a machine's data when
    # its state is :not_created, also from another `vagrant status`: from before the machine has an id until
    # blockhost-qemu knows of it, the note keeps that from happening. It lies beside the data, not in it.
    class Preparing
      def initialize(machine)
        @file = machine.data_dir&.join("..", "blockhost-preparing")&.cleanpath
      end

      def begin
        @file.dirname.mkpath
        temporary = @file.sub_ext(".#{Process.pid}")
        temporary.write("#{Process.pid} #{started(Process.pid)}\n")
        temporary.rename(@file)
      end

      def end
        @file.delete
      rescue Errno::ENOENT
        # It was never begun.
      end

      def going_on?
        return false if @file.nil?

        pid, start = @file.read.split
        !start.nil? && started(pid) == start
      rescue Errno::ENOENT
        false
      end

      private

      # Field 22 of proc(5)'s stat: with it a reused pid is not taken for the process that wrote the note.
      def started(pid)
        File.read("/proc/#{Integer(pid)}/stat").rpartition(") ").last.split[19]
      rescue Errno::ENOENT, ArgumentError
        nil
      end
    end
  end
end
