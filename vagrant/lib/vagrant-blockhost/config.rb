# frozen_string_literal: true

require_relative "answer_timeout"
require_relative "network_plan"

module VagrantPlugins
  module Blockhost
    # `config.vm.provider :blockhost`. Everything is optional; what is not set is blockhost-qemu's default.
    class Config < Vagrant.plugin("2", :config)
      # Key => least and greatest value; but for CPU 0 takes a limit away (blockhost-qemu throttle).
      LIMITS = {
        "cpu_shares" => 1..10_000, "cpu_quota" => 1..100,
        "bandwidth_in" => 0..100_000_000, "bandwidth_out" => 0..100_000_000, "bandwidth_burst" => 0..34_359_738,
        "iops_read" => 0..10_000_000, "iops_write" => 0..10_000_000, "iops_burst" => 0..10_000_000,
        "iops_burst_seconds" => 0..3600, "bps_read" => 0..1_000_000_000_000, "bps_write" => 0..1_000_000_000_000
      }.freeze
      KEYS = %i[cpus memory disk image template network bridge limits user_data extra_disks cloud_init answer_timeout].freeze
      # Key => what may be, and what it counts.
      NUMBERS = {
        cpus: [1.., "a number of vCPUs"], memory: [64.., "a number of MB"], disk: [1.., "a number of GB"],
        answer_timeout: [0..1_000_000, "a number of seconds"]
      }.freeze
      NETWORKS = %w[user bridge].freeze

      # @return [Integer] vCPUs
      attr_accessor :cpus
      # @return [Integer] MB
      attr_accessor :memory
      # @return [Integer] GB; at least the image's size
      attr_accessor :disk
      # @return [String] a disk image to start from, instead of a box
      attr_accessor :image
      # @return [String] a template of the store to start from, instead of the current one
      attr_accessor :template
      # @return [String] "user" (NAT, ssh by a port of the host) or "bridge"
      attr_accessor :network
      # @return [String] the bridge that "bridge", and public networks, use
      attr_accessor :bridge
      # @return [Hash<Symbol, Integer>] what LIMITS names
      attr_accessor :limits
      # @return [String, Array<String>] more user-data for cloud-init: text, or the path of a file
      attr_accessor :user_data
      # @return [Array<Integer, String>] further disks: GB, or the path of an image
      attr_accessor :extra_disks
      # @return [Boolean] whether the guest runs cloud-init; without it what a box's metadata says
      attr_accessor :cloud_init
      # @return [Integer] seconds that the guest may be silent while it is worked on by ssh; 0: for ever
      attr_accessor :answer_timeout

      def initialize
        super
        KEYS.each { |key| instance_variable_set("@#{key}", UNSET_VALUE) }
        @limits = {}
      end

      def merge(other)
        super.tap do |result|
          result.limits = limits.merge(other.limits) if [limits, other.limits].all?(Hash)
        end
      end

      def finalize!
        @limits ||= {}
        @extra_disks = [] if unset?(@extra_disks)
        @answer_timeout = AnswerTimeout::DEFAULT_SECONDS if unset?(@answer_timeout)
        @user_data = [] if unset?(@user_data)
        @user_data = Array(@user_data) if @user_data.is_a?(String)
        KEYS.each { |key| instance_variable_set("@#{key}", nil) if unset?(public_send(key)) }
        @network = @network.to_s if @network.is_a?(Symbol)
      end

      def validate(machine)
        @root = machine.env.root_path
        errors = _detected_errors
        errors.concat(number_errors)
        errors.concat(choice_errors)
        errors.concat(limit_errors)
        errors.concat(disk_errors)
        errors.concat(text_errors)
        errors.concat(user_data_errors)
        errors.concat(NetworkPlan.new(machine.config.vm.networks, self).errors)
        { "blockhost provider" => errors }
      end

      private

      def number_errors
        NUMBERS.filter_map do |key, (range, what)|
          value = public_send(key)
          limits = range.end ? "from #{range.begin} to #{range.end}" : "at least #{range.begin}"
          bad(key, value, "#{what}, #{limits}") unless value.nil? || whole?(value, range)
        end
      end

      def choice_errors
        errors = []
        errors << bad(:network, network, NETWORKS.join(" or ")) unless network.nil? || NETWORKS.include?(network)
        if network == "bridge" && bridge.nil?
          errors << "blockhost.bridge: name the bridge that network = \"bridge\" plugs into"
        end
        errors << "blockhost.bridge: does not go with network = \"user\"" if network == "user" && bridge
        errors << bad(:cloud_init, cloud_init, "true or false") unless [nil, true, false].include?(cloud_init)
        errors << "blockhost.image: does not go with blockhost.template" if image && template
        errors << "blockhost.image: there is no file #{image.inspect}" if image.is_a?(String) && !file?(image)
        errors
      end

      def limit_errors
        known = LIMITS.keys.join(", ")
        return [bad(:limits, limits, "a hash of #{known}")] unless limits.is_a?(Hash)

        limits.filter_map do |key, value|
          range = LIMITS[key.to_s]
          next "blockhost.limits: #{key.inspect} is not known; use #{known}" if range.nil?

          what = "a whole number from #{range.min} to #{range.max}"
          bad("limits[:#{key}]", value, what) unless whole?(value, range)
        end
      end

      def disk_errors
        return [bad(:extra_disks, extra_disks, "a list")] unless extra_disks.is_a?(Array)

        extra_disks.filter_map do |disk|
          next if whole?(disk, 1..) || (disk.is_a?(String) && file?(disk))

          bad(:extra_disks, disk, "a number of GB or the path of a disk image")
        end
      end

      def text_errors
        errors = %i[image template bridge].filter_map do |key|
          value = public_send(key)
          bad(key, value, "a text") unless value.nil? || value.is_a?(String)
        end
        return errors if user_data.is_a?(Array) && user_data.all?(String)

        errors << bad(:user_data, user_data, "a text, the path of a file, or a list of them")
      end

      # One line that cloud-init cannot make anything of is meant as a path.
      def user_data_errors
        return [] unless user_data.is_a?(Array)

        paths = user_data.select { |piece| piece.is_a?(String) && !piece.include?("\n") && !piece.start_with?("#") }
        paths.reject { |piece| file?(piece) }.map { |piece| "blockhost.user_data: there is no file #{piece.inspect}" }
      end

      # Paths are relative to the Vagrantfile, wherever Vagrant was called.
      def file?(path)
        File.file?(File.expand_path(path, @root || Dir.pwd))
      rescue ArgumentError
        # The home of a user whom there is not, or a zero byte.
        false
      end

      def bad(key, value, expected)
        "blockhost.#{key}: must be #{expected}, but is #{value.inspect}"
      end

      def whole?(value, range)
        value.is_a?(Integer) && range.cover?(value)
      end

      def unset?(value)
        value.nil? || value.equal?(UNSET_VALUE)
      end
    end
  end
end
