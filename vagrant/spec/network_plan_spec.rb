# frozen_string_literal: true

require_relative "spec_helper"

RSpec.describe VagrantPlugins::Blockhost::NetworkPlan do
  ssh = [:forwarded_port, { guest: 22, host: 2222, id: "ssh", host_ip: "127.0.0.1", auto_correct: true }]

  def plan(*networks, bridge: nil, network: nil)
    described_class.new(networks, double(bridge: bridge, network: network))
  end

  it "leaves Vagrant's own port for ssh to the program" do
    expect(plan(ssh).create_options).to eq([])
  end

  it "forwards ports, also one for ssh that the Vagrantfile chose" do
    networks = plan(
      [:forwarded_port, { guest: 80, host: 8080 }],
      [:forwarded_port, { guest: 53, host: 5353, protocol: "udp", host_ip: "0.0.0.0" }],
      [:forwarded_port, { guest: 22, host: 2345, id: "ssh" }],
      [:forwarded_port, { guest: 9, host: 9, disabled: true }]
    )
    expect(networks.forwards).to eq(%w[tcp:8080:80 udp:0.0.0.0:5353:53 tcp:2345:22])
  end

  it "makes a card of each private network" do
    networks = plan(ssh, [:private_network, { ip: "192.168.56.10" }],
                    [:private_network, { ip: "10.9.0.1", netmask: "255.255.0.0" }],
                    [:private_network, { ip: "10.8.0.1", netmask: "28" }])
    expect(networks.create_options).to eq(
      %w[--private-network 192.168.56.10/24 --private-network 10.9.0.1/16 --private-network 10.8.0.1/28]
    )
    expect(networks.guest_networks.first)
      .to eq(type: :static, ip: "192.168.56.10", netmask: "255.255.255.0", interface: 1)
  end

  it "counts the cards of a guest, also those it is not to set up, and tells masks as Vagrant wants them" do
    networks = plan(ssh, [:private_network, { ip: "192.168.56.10", auto_config: false }],
                    [:private_network, { ip: "10.8.0.1", netmask: "28" }])
    expect(networks.guest_networks).to eq(
      [{ type: :static, ip: "10.8.0.1", netmask: "255.255.255.240", interface: 2 }]
    )
  end

  {
    [:private_network, { ip: "10.0.0.1", netmask: "255.0.255.0" }] => /private_network "10.0.0.1" with netmask "255.0.255.0": it is not an address/,
    [:private_network, { ip: "10.0.0.1", netmask: "31" }] => /with netmask "31": it is not an address/,
    [:private_network, { ip: "fd00::1" }] => /private_network "fd00::1" .*: only IPv4 is supported/,
    [:private_network, { type: "dhcp" }] => /private_network needs ip:/,
    [:forwarded_port, { guest: 80, host: 8080, protocol: "sctp" }] => /forwarded_port 8080: protocol must be tcp or udp/,
    [:forwarded_port, { guest: 80, host: 8080, host_ip: "::1" }] => /forwarded_port 8080: host_ip must be an IPv4/,
    [:forwarded_port, { guest: 80, host: 8080, host_ip: "999.0.0.1" }] => /host_ip must be an IPv4 address, but is "999/,
    [:forwarded_port, { guest: 80, host: 8080, host_ip: 5 }] => /host_ip must be an IPv4 address, but is 5/,
    [:private_network, { ip: ["10.0.0.1"] }] => /private_network \["10.0.0.1"\] .*: it is not an address/,
    [:public_network, { bridge: "br0" }] => /blockhost.network: "user" does not go with a public_network/,
  }.each do |network, expected|
    it "refuses #{network}" do
      expect(plan(network, network: "user").errors).to match([expected])
    end
  end

  {
    { ip: "10.0.0.5/24" } => "it is not an address; use one like ip:",
    { ip: "10.0.0" } => "it is not an address; use one like ip:",
    { ip: "192.168.56.0" } => "it is the address of the network itself; use one from 192.168.56.1 to 192.168.56.254",
    { ip: "192.168.56.255" } => "it is the network's broadcast address; use one from 192.168.56.1 to 192.168.56.254",
    { ip: "10.0.0.4", netmask: "30" } => "it is the address of the network itself; use one from 10.0.0.5 to 10.0.0.6",
    { ip: "127.0.0.1" } => "it is an address for loopback; use one like ip:",
    { ip: "0.1.2.3" } => "it is an address of no network; use one like ip:",
    { ip: "224.0.0.1" } => "it is an address for multicast; use one like ip:",
    { ip: "240.0.0.1" } => "it is an address of nobody yet; use one like ip:",
    { ip: "255.255.255.255" } => "it is an address for broadcast; use one like ip:",
    { ip: "169.254.0.9" } => "it is an address that hosts choose themselves; use one like ip:",
    { ip: "10.0.2.9" } => "10.0.2.0/24 is the machine's own NAT; use another network",
  }.each do |options, reason|
    it "refuses the address #{options} in words, naming its key" do
      mask = options.fetch(:netmask, "255.255.255.0")
      expect(plan([:private_network, options]).errors).to match([start_with(
        "config.vm.network: private_network #{options[:ip].inspect} with netmask #{mask.inspect}: #{reason}"
      )])
    end
  end

  it "takes addresses at the edges of their network, and on a bridge those of QEMU's user network" do
    ["192.168.56.1", "192.168.56.254", "10.0.1.255", "10.0.3.1"].each do |ip|
      mask = ip.start_with?("10.") ? "16" : "24"
      expect(plan([:private_network, { ip: ip, netmask: mask }]).errors).to eq([])
    end
    expect(plan([:private_network, { ip: "10.0.2.9" }], bridge: "br0").errors).to eq([])
    expect(plan([:public_network, { ip: "10.0.2.9", gateway: "10.0.2.1" }], bridge: "br0").errors).to eq([])
  end

  ["10.1.1.1", "10.1.0.5", "10.1.0.255", "fd00::1", "x"].each do |gateway|
    it "refuses the gateway #{gateway} of 10.1.0.5/24" do
      expect(plan([:public_network, { ip: "10.1.0.5", gateway: gateway }], bridge: "br0").errors).to match(
        [/public_network "10.1.0.5" .*: gateway "#{gateway}" is not another address on its network; use one from 10.1.0.1/]
      )
    end
  end

  it "refuses a bridge that is no text" do
    expect(plan([:public_network, { bridge: 5 }]).errors).to match([/public_network: bridge must be a text, but is 5/])
  end

  it "takes an empty host_ip for none" do
    expect(plan([:forwarded_port, { guest: 80, host: 8080, host_ip: "" }]).forwards).to eq(%w[tcp:8080:80])
  end

  it "plugs into the bridge of a public network, and forwards nothing there" do
    networks = plan(ssh, [:public_network, { ip: "10.1.0.5", netmask: "255.255.255.0", gateway: "10.1.0.1", bridge: %w[br1 br2] }],
                    [:forwarded_port, { guest: 80, host: 8080 }])
    expect(networks.create_options).to eq(%w[--bridge br1 --address 10.1.0.5/24 --gateway 10.1.0.1])
    expect(networks.ignored_forwards.map { |options| options[:guest] }).to eq([80])
    expect(networks).to be_static
  end

  it "takes the bridge of the configuration, and then the address comes by DHCP" do
    networks = plan(ssh, [:public_network, {}], bridge: "br0")
    expect(networks.create_options).to eq(%w[--bridge br0])
    expect(networks).not_to be_static
  end
end
