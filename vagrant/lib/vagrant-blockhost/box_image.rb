# frozen_string_literal: true

require "fileutils"

require_relative "errors"

module VagrantPlugins
  module Blockhost
    # The disks of a box. Three formats: ours and libvirt's first (box.img beside metadata.json), and
    # libvirt's second, whose metadata lists the disks.
    class BoxImage
      DEFAULT = "box.img"
      METADATA = "metadata.json"

      def initialize(box)
        @box = box
      end

      # @return [String] path of the image the system's disk starts from
      def system
        disks.first
      end

      # @return [Array<String>] paths of images of further disks
      def further
        disks.drop(1)
      end

      # Copies what the box has beside its disks and its metadata.
      # @param folder [Pathname] made for it
      def copy_rest(folder)
        folder.mkpath
        rest = @box.directory.children.reject { |file| disks.include?(file.to_s) || file.basename.to_s == METADATA }
        FileUtils.cp_r(rest, folder)
      end

      # Boxes of ours say it. A libvirt box may hold anything: Vagrant's own key leads into it.
      def cloud_init?
        metadata["cloud_init"] == true
      end

      private

      def disks
        @disks ||= names.map { |name| path(name) }
      end

      def names
        list = metadata["disks"]
        return [DEFAULT] unless list.is_a?(Array) && list.any?

        list.map { |disk| disk["path"] || raise(error("a disk in its metadata.json has no path")) }
      end

      # A box comes from elsewhere: nothing outside of it is read.
      def path(name)
        file = @box.directory.join(name)
        inside = file.cleanpath.to_s.start_with?("#{@box.directory.cleanpath}/") && !file.symlink?
        raise error("#{name} is not a file in it") unless inside && file.file?

        file.to_s
      end

      def metadata
        @box.metadata || {}
      end

      def error(reason)
        Errors::BadBox.new(name: @box.name, reason: reason)
      end
    end
  end
end
