# frozen_string_literal: true

require "ipaddr"

module VagrantPlugins
  module Blockhost
    # A static address of a Vagrantfile: what is wrong with it, by the rules of blockhost-qemu's --private-network and
    # --address, so that the user is told before anything is made, and by the key of the Vagrantfile.
    class HostAddress
      EXAMPLE = 'use one like ip: "192.168.56.10", netmask: "255.255.255.0"'
      SPECIAL = {
        "0.0.0.0/8" => "of no network",
        "127.0.0.0/8" => "for loopback",
        "169.254.0.0/16" => "that hosts choose themselves",
        "224.0.0.0/4" => "for multicast",
        "255.255.255.255/32" => "for broadcast",
        "240.0.0.0/4" => "of nobody yet",
      }.transform_keys { |network| IPAddr.new(network) }.freeze

      # @return [Boolean] whether it is four numbers of a byte each, whatever may have such an address
      def self.ipv4?(text)
        text.is_a?(String) && text.match?(/\A\d{1,3}(\.\d{1,3}){3}\z/) && IPAddr.new(text).ipv4?
      rescue IPAddr::Error
        false
      end

      # @param text what the Vagrantfile says
      # @param prefix [Integer] length of the network's prefix
      def initialize(text, prefix)
        @address = parse(text)
        @prefix = prefix
      end

      # @return [String, nil] why no machine can have it
      def error
        return "it is not an address; #{EXAMPLE}" if @address.nil?
        return "only IPv4 is supported" unless @address.ipv4?
        return "it is not an address; #{EXAMPLE}" unless (1..30).cover?(@prefix)

        _, use = SPECIAL.find { |network, _| network.include?(@address) }
        return "it is an address #{use}; #{EXAMPLE}" if use

        "it is #{@address.to_i == range.begin ? "the address of the network itself" : "the network's broadcast address"}; " \
          "#{advice}" unless hosts.cover?(@address.to_i)
      end

      def in?(network)
        IPAddr.new(network).include?(@address)
      end

      # @return [Boolean] whether the text is the address of another host on the same network
      def neighbour?(text)
        other = parse(text)
        !other.nil? && other.ipv4? && other != @address && hosts.cover?(other.to_i)
      end

      def advice
        "use one from #{IPAddr.new(hosts.begin, Socket::AF_INET)} to #{IPAddr.new(hosts.end, Socket::AF_INET)}"
      end

      private

      # IPAddr alone would take "10.0.0.5/24" as well, and keep of it 10.0.0.0.
      def parse(text)
        IPAddr.new(text.to_s) unless text.to_s.include?("/")
      rescue IPAddr::Error
        nil
      end

      def range
        all = @address.mask(@prefix).to_range
        all.begin.to_i..all.end.to_i
      end

      def hosts
        (range.begin + 1)..(range.end - 1)
      end
    end
  end
end
