# frozen_string_literal: true

require "ipaddr"

module VagrantPlugins
  module Blockhost
    # What `config.vm.network` comes to: options of blockhost-qemu, and cards to set up in a guest without
    # cloud-init. Pure: it reads the Vagrantfile only.
    class NetworkPlan
      # Vagrant forwards port 22 for every machine; blockhost-qemu chooses that port itself.
      DEFAULT_SSH = { guest: 22, host: 2222 }.freeze
      DEFAULT_MASK = "255.255.255.0"

      def self.default_ssh?(options)
        options[:id] == "ssh" && DEFAULT_SSH.all? { |key, value| options[key] == value }
      end

      def initialize(networks, config)
        @networks = networks
        @config = config
      end

      def bridge?
        !bridge.nil?
      end

      def bridge
        public_networks.filter_map { |options| options[:bridge] }.map { |names| Array(names).first }.first ||
          @config.bridge
      end

      # @return [Array<String>] rules of --forward
      def forwards
        return [] if bridge?

        forwarded_ports.map do |options|
          ["#{options[:protocol] || "tcp"}:", options[:host_ip] && "#{options[:host_ip]}:",
           "#{options[:host]}:#{options[:guest]}"].join
        end
      end

      # Forwarded ports that a machine on a bridge does without: it is reached by its own address.
      def ignored_forwards
        bridge? ? forwarded_ports : []
      end

      # @return [Array<String>] options of `create`
      def create_options
        options = forwards.flat_map { |rule| ["--forward", rule] }
        options += private_networks.flat_map { |net| ["--private-network", "#{net[:ip]}/#{prefix(net)}"] }
        return options unless bridge?

        options + ["--bridge", bridge, *bridge_address]
      end

      # A machine whose address comes by DHCP is asked for it by its agent, so `create` has to wait for that.
      def static?
        !bridge? || bridge_address.any?
      end

      # Cards beyond the first, for Vagrant's capability :configure_networks.
      def guest_networks
        private_networks.select { |net| net.fetch(:auto_config, true) }.each_with_index.map do |net, index|
          { type: :static, ip: net[:ip], netmask: net[:netmask] || DEFAULT_MASK, interface: index + 1 }
        end
      end

      # @return [Array<String>] what of the Vagrantfile cannot be done
      def errors
        errors = private_networks.map { |net| address_error("private_network", net) }
        errors += public_networks.map { |net| address_error("public_network", net) if net[:ip] }
        errors << "config.vm.network: only one public_network is supported" if public_networks.length > 1
        if public_networks.any? && bridge.nil?
          errors << "config.vm.network: public_network needs bridge: \"NAME\", or blockhost.bridge"
        end
        errors.compact
      end

      private

      def forwarded_ports
        of(:forwarded_port).reject do |options|
          options[:disabled] || NetworkPlan.default_ssh?(options)
        end
      end

      def private_networks
        of(:private_network)
      end

      def public_networks
        of(:public_network)
      end

      def of(type)
        @networks.select { |kind, _| kind == type }.map(&:last)
      end

      def bridge_address
        net = public_networks.first
        return [] if net.nil? || net[:ip].nil?

        ["--address", "#{net[:ip]}/#{prefix(net)}", *(net[:gateway] ? ["--gateway", net[:gateway]] : [])]
      end

      def address_error(type, net)
        return "config.vm.network: #{type} needs ip: \"ADDRESS\" (there is no DHCP server on it)" if net[:ip].nil?

        address = IPAddr.new(net[:ip])
        return "config.vm.network: #{type} #{net[:ip]}: only IPv4 is supported" unless address.ipv4?

        prefix(net)
        nil
      rescue IPAddr::Error
        "config.vm.network: #{type} #{net[:ip].inspect} with netmask #{(net[:netmask] || DEFAULT_MASK).inspect} " \
          "is not an address"
      end

      # 255.255.255.0 or 24 → 24
      def prefix(net)
        mask = net[:netmask] || DEFAULT_MASK
        return Integer(mask, 10) if mask.to_s.match?(/\A\d{1,2}\z/)

        IPAddr.new(mask).to_i.to_s(2).count("1")
      end
    end
  end
end
