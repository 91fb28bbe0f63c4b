# frozen_string_literal: true

module VagrantPlugins
  module Blockhost
    module Cap
      module ForwardedPorts
        # @return [Hash<Integer, Integer>, nil] host's port => guest's, for `vagrant port`
        def self.forwarded_ports(machine)
          return nil unless machine.state.id == :running

          vm = machine.provider.description
          ports = vm["forwards"].to_h { |rule| [rule["host_port"], rule["guest_port"]] }
          ports[vm.dig("network", "ssh_port")] = 22 if vm.dig("network", "mode") == "user"
          ports
        end
      end
    end
  end
end
