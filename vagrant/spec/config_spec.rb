# frozen_string_literal: true

require_relative "spec_helper"

RSpec.describe VagrantPlugins::Blockhost::Config do
  def errors(networks: [], **values)
    values.each { |key, value| subject.public_send("#{key}=", value) }
    subject.finalize!
    machine = double(config: double(vm: double(networks: networks)), env: double(root_path: @dir))
    subject.validate(machine).fetch("blockhost provider")
  end

  it "is valid when nothing is set" do
    expect(errors).to eq([])
    expect(subject.memory).to be_nil
    expect(subject.limits).to eq({})
    expect(subject.extra_disks).to eq([])
    expect(subject.user_data).to eq([])
  end

  it "is valid with everything set" do
    image = @dir.join("disk.qcow2").tap { |file| file.write("x") }.to_s
    all = { cpus: 2, memory: 512, disk: 10, image: image, network: :bridge, bridge: "br0", cloud_init: false,
            limits: { cpu_quota: 50 }, user_data: "#cloud-config\n", extra_disks: [5, image] }
    expect(errors(**all)).to eq([])
    expect(subject.user_data).to eq(["#cloud-config\n"])
  end

  {
    { cpus: 0 } => "blockhost.cpus: must be a number of vCPUs, at least 1, but is 0",
    { memory: "2G" } => "blockhost.memory: must be a number of MB, at least 64, but is \"2G\"",
    { disk: 1.5 } => "blockhost.disk: must be a number of GB, at least 1, but is 1.5",
    { answer_timeout: "2m" } => "blockhost.answer_timeout: must be a number of seconds, from 0 to 1000000, but is \"2m\"",
    { answer_timeout: 10**9 } => /blockhost.answer_timeout: must be .* to 1000000, but is 1000000000/,
    { network: "nat" } => "blockhost.network: must be user or bridge, but is \"nat\"",
    { network: "bridge" } => "blockhost.bridge: name the bridge that network = \"bridge\" plugs into",
    { network: "user", bridge: "br0" } => "blockhost.bridge: does not go with network = \"user\"",
    { limits: { cpu: 3 } } => /blockhost.limits: :cpu is not known; use cpu_shares, cpu_quota/,
    { limits: { nil => 3 } } => /blockhost.limits: nil is not known/,
    { limits: [50] } => /blockhost.limits: must be a hash of cpu_shares.*, but is \[50\]/,
    { limits: { cpu_quota: "x" } } => "blockhost.limits[:cpu_quota]: must be a whole number from 1 to 100, but is \"x\"",
    { limits: { iops_read: -1 } } => "blockhost.limits[:iops_read]: must be a whole number from 0 to 10000000, but is -1",
    { user_data: "setup.sh" } => "blockhost.user_data: there is no file \"setup.sh\"",
    { user_data: "~nobody-of-that-name/x" } => "blockhost.user_data: there is no file \"~nobody-of-that-name/x\"",
    { user_data: "" } => "blockhost.user_data: there is no file \"\"",
    { extra_disks: [0] } => "blockhost.extra_disks: must be a number of GB or the path of a disk image, but is 0",
    { extra_disks: 5 } => "blockhost.extra_disks: must be a list, but is 5",
    { user_data: { a: 1 } } => /blockhost.user_data: must be a text, the path of a file/,
    { cloud_init: "yes" } => "blockhost.cloud_init: must be true or false, but is \"yes\"",
    { image: "/nowhere.qcow2" } => "blockhost.image: there is no file \"/nowhere.qcow2\"",
    { image: "a\0b" } => "blockhost.image: there is no file \"a\\u0000b\"",
    { image: 5 } => "blockhost.image: must be a text, but is 5",
    { bridge: %w[br0] } => "blockhost.bridge: must be a text, but is [\"br0\"]",
  }.each do |values, expected|
    it "names the key: #{values}" do
      expect(errors(**values)).to match([expected])
    end
  end

  it "says what of config.vm.network cannot be done" do
    networks = [[:private_network, {}], [:public_network, { ip: "10.0.0.5", netmask: "x" }]]
    expect(errors(networks: networks)).to contain_exactly(
      /private_network needs ip/, /"10.0.0.5" with netmask "x": it is not an address/, /public_network needs bridge/
    )
  end

  it "takes nil for what is not set" do
    expect(errors(limits: nil, extra_disks: nil, user_data: nil, answer_timeout: nil, memory: nil)).to eq([])
    expect([subject.limits, subject.extra_disks, subject.user_data, subject.answer_timeout]).to eq([{}, [], [], 120])
  end

  it "takes single limits too, and says of several blocks what is no limit" do
    subject.limits[:cpu_quota] = 50
    other = described_class.new.tap { |config| config.limits = [1] }
    expect(subject.merge(described_class.new).limits).to eq(cpu_quota: 50)
    expect(subject.merge(other).limits).to eq([1])
  end

  it "merges limits of several blocks" do
    subject.limits = { cpu_quota: 50, iops_read: 1 }
    other = described_class.new.tap { |config| config.limits = { iops_read: 2 } }
    merged = subject.merge(other)
    merged.finalize!
    expect(merged.limits).to eq(cpu_quota: 50, iops_read: 2)
  end
end
