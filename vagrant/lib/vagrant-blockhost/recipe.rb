# frozen_string_literal: true

require "json"
require "securerandom"

require_relative "box_image"
require_relative "login"
require_relative "network_plan"

module VagrantPlugins
  module Blockhost
    # How a machine is made: its name for blockhost-qemu, and the options of `create`.
    class Recipe
      # Sockets lie below a directory of this name, and their paths are limited to 107 bytes.
      NAME_LENGTH = 40
      # Vagrant's machines live until they are destroyed: nothing collects them.
      EXPIRY_DAYS = 36_500

      def self.new_name(machine)
        label = "#{machine.env.root_path&.basename}-#{machine.name}".gsub(/[^A-Za-z0-9.-]+/, "-").sub(/\A[^A-Za-z0-9]+/, "")
        "#{label[0, NAME_LENGTH - 7].sub(/[.-]+\z/, "")}-#{SecureRandom.hex(3)}"
      end

      def initialize(machine)
        @machine = machine
        @config = machine.provider_config
      end

      def network
        @network ||= NetworkPlan.new(@machine.config.vm.networks, @config)
      end

      # Whether what the guest shall know reaches it by cloud-init; else it is told by ssh.
      def cloud_init?
        return @config.cloud_init unless @config.cloud_init.nil?

        noted = remembered
        noted.nil? ? origin_cloud_init? : noted
      end

      # To be called for a new machine: what it was made from may be gone when this is asked again.
      def remember
        note.write(JSON.generate(cloud_init: origin_cloud_init?))
      end

      # Whether it starts from a template of the store, which has to be there.
      def template?
        @machine.box.nil? && @config.image.nil?
      end

      # @param directory [Pathname] where keys and user-data can be left for the command
      def create_options(directory)
        ["--apply", "--expiry-days", EXPIRY_DAYS, *(network.static? ? ["--no-wait"] : []),
         *sizes, *origin, *further_disks, *network_options,
         "--hostname", hostname, *login(directory), *user_data(directory)]
      end

      # What a stopped machine is changed to when the Vagrantfile says so.
      def configure_options
        forwards = network.forwards.flat_map { |rule| ["--forward", rule] }
        forwards = ["--no-forward"] if forwards.empty? && !network.bridge?
        [*option("--cpu", @config.cpus), *option("--memory", @config.memory), *forwards]
      end

      # @return [Array] options of `throttle`, empty without limits
      def limit_options
        @config.limits.flat_map { |key, value| ["--#{key.to_s.tr("_", "-")}", value] }
      end

      private

      # Vagrant removes it with the machine.
      def note
        @machine.data_dir.join("blockhost-origin")
      end

      # @return [Boolean, nil] nil for a machine of an earlier release, or one whose maker was killed
      def remembered
        JSON.parse(note.read)["cloud_init"]
      rescue Errno::ENOENT, JSON::ParserError
        nil
      end

      # A box that was removed may have been anything.
      def origin_cloud_init?
        @machine.box.nil? ? @machine.config.vm.box.nil? : box.cloud_init?
      end

      def box
        @box ||= BoxImage.new(@machine.box)
      end

      def sizes
        [*option("--cpu", @config.cpus), *option("--memory", @config.memory), *option("--disk", @config.disk)]
      end

      def origin
        return ["--image", expand(@config.image)] if @config.image
        return ["--image", box.system] if @machine.box

        option("--template", @config.template)
      end

      def further_disks
        images = @machine.box && @config.image.nil? ? box.further : []
        disks = images + @config.extra_disks.map { |disk| disk.is_a?(String) ? expand(disk) : disk }
        disks.flat_map { |disk| ["--extra-disk", disk] }
      end

      def network_options
        mode = network.bridge? ? "bridge" : @config.network
        [*option("--network", mode), *network.create_options]
      end

      def hostname
        @machine.config.vm.hostname || @machine.name.to_s.gsub(/[^A-Za-z0-9.-]+/, "-").sub(/\A[.-]+|[.-]+\z/, "")
      end

      def login(directory)
        login = Login.new(@machine, cloud_init: cloud_init?)
        file = directory.join("keys.pub")
        file.write("#{login.public_keys.join("\n")}\n")
        ["--username", login.user, "--ssh-key", file]
      end

      def user_data(directory)
        @config.user_data.each_with_index.flat_map do |piece, index|
          next ["--user-data", expand(piece)] if !piece.include?("\n") && File.file?(expand(piece))

          file = directory.join("user-data-#{index}")
          file.open("w", 0o600) { |io| io.write(piece) }
          ["--user-data", file]
        end
      end

      def option(name, value)
        value.nil? ? [] : [name, value]
      end

      def expand(path)
        File.expand_path(path, @machine.env.root_path || Dir.pwd)
      end
    end
  end
end
