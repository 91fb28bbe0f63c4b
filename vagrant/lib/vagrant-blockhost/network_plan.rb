# frozen_string_literal: true

require "ipaddr"
require_relative "host_address"

module VagrantPlugins
  module Blockhost
    # What `config.vm.network` comes to: options of blockhost-qemu, and cards to set up in a guest without
    # cloud-init. Pure: it reads the Vagrantfile only.
    class NetworkPlan
      # Vagrant forwards port 22 for every machine; blockhost-qemu chooses that port itself.
      DEFAULT_SSH = { guest: 22, host: 2222 }.freeze
      DEFAULT_MASK = "255.255.255.0"
      # QEMU's user network, on the first card of a machine that is not on a bridge.
      USER_NET = "10.0.2.0/24"

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
          [options[:protocol] || "tcp", host_ip(options), options[:host], options[:guest]].compact.join(":")
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
        cards = private_networks.each_with_index.map do |net, index|
          mask = IPAddr.new("255.255.255.255").mask(prefix(net)).to_s
          [net, { type: :static, ip: net[:ip], netmask: mask, interface: index + 1 }]
        end
        cards.select { |net, _| net.fetch(:auto_config, true) }.map(&:last)
      end

      # @return [Array<String>] what of the Vagrantfile cannot be done
      def errors
        errors = private_networks.map { |net| address_error("private_network", net) }
        errors += public_networks.map { |net| address_error("public_network", net) if net[:ip] }
        errors += forwarded_ports.map { |options| forward_error(options) }
        errors << "config.vm.network: only one public_network is supported" if public_networks.length > 1
        if public_networks.any? && @config.network == "user"
          errors << "blockhost.network: \"user\" does not go with a public_network"
        end
        unless public_networks.flat_map { |options| options[:bridge] || [] }.all?(String)
          errors << "config.vm.network: public_network: bridge must be a text, but is #{bridge.inspect}"
        end
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

        host = HostAddress.new(net[:ip], prefix(net))
        reason = host.error || user_net_error(type, host) || gateway_error(net, host)
        return if reason.nil?

        "config.vm.network: #{type} #{net[:ip].inspect} with netmask #{(net[:netmask] || DEFAULT_MASK).inspect}: #{reason}"
      end

      def user_net_error(type, host)
        return if bridge? || type != "private_network" || !host.in?(USER_NET)

        "#{USER_NET} is the machine's own NAT; use another network, such as 192.168.56.0"
      end

      def gateway_error(net, host)
        return if net[:gateway].nil? || host.neighbour?(net[:gateway])

        "gateway #{net[:gateway].inspect} is not another address on its network; #{host.advice}"
      end

      def forward_error(options)
        ip = host_ip(options)
        protocol = options[:protocol] || "tcp"
        where = "config.vm.network: forwarded_port #{options[:host]}"
        return "#{where}: protocol must be tcp or udp, but is #{protocol.inspect}" unless %w[tcp udp].include?(protocol.to_s)
        return if ip.nil? || HostAddress.ipv4?(ip)

        "#{where}: host_ip must be an IPv4 address, but is #{ip.inspect}"
      end

      def host_ip(options)
        options[:host_ip] unless options[:host_ip].to_s.empty?
      end

      # 255.255.255.0 or 24 → 24; 0 for what is no mask
      def prefix(net)
        mask = (net[:netmask] || DEFAULT_MASK).to_s
        return Integer(mask, 10) if mask.match?(/\A\d{1,2}\z/)

        IPAddr.new(mask).to_i.to_s(2).rjust(32, "0")[/\A(1*)0*\z/, 1].to_s.length
      rescue IPAddr::Error
        0
      end
    end
  end
end
