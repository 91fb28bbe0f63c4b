# frozen_string_literal: true

require_relative "spec_helper"

RSpec.describe VagrantPlugins::Blockhost::Provider do
  include FakeProgram
  let(:data) { @dir.join("machines", "default", "blockhost").tap(&:mkpath) }
  let(:config) { double(answer_timeout: 40) }
  let(:machine) { double(name: :default, id: "web1", data_dir: data, provider_config: config) }
  subject { described_class.new(machine) }

  def says(description)
    fake_program("echo '#{JSON.generate({ name: "web1" }.merge(description))}'")
  end

  it "has its machine wait while another Vagrant notes the state, but not for ever" do
    busy = 2
    machine = Object.new
    machine.define_singleton_method(:name) { :default }
    owner = Module.new do
      define_method(:state) do
        raise Vagrant::Errors::MachineLocked, name: "default", provider: "blockhost" if (busy -= 1) >= 0

        :noted
      end
    end
    machine.extend(owner)
    described_class.new(machine)
    allow(machine).to receive(:sleep)
    expect(machine.state).to eq(:noted)
    busy = 1000
    expect { machine.state }.to raise_error(Vagrant::Errors::MachineLocked)
  end

  { "off" => :off, "running" => :running, "paused" => :paused, "preparing" => :preparing, "absent" => :not_created,
    "some new word" => :unknown }.each do |word, id|
    it "has the state #{id} when the program says #{word}" do
      says(state: word)
      expect(subject.state.id).to eq(id)
      expect([subject.state.short_description, subject.state.long_description]).to all(match(/\A\S/))
    end
  end

  it "is interrupted when a create died, and unknown with the reason in other cases" do
    says(state: "unknown", interrupted: "create", reason: "r")
    expect(subject.state.id).to eq(:interrupted)
    says(state: "unknown", interrupted: nil, reason: "QEMU is alive but does not answer")
    expect(subject.state.id).to eq(:unknown)
    expect(subject.state.long_description).to match(/cannot be told: QEMU is alive/)
  end

  it "is unknown, not gone, when the program fails" do
    fake_program("echo 'blockhost-qemu inspect: vms.json is damaged' >&2; exit 1")
    expect(subject.state.id).to eq(:unknown)
    expect(subject.state.long_description).to match(/vms.json is damaged/)
  end

  it "is preparing while its maker lives, with or without an id" do
    says(state: "absent")
    note = VagrantPlugins::Blockhost::Preparing.new(machine)
    note.begin
    expect(subject.state.id).to eq(:preparing)
    allow(machine).to receive(:id).and_return(nil)
    expect(subject.state.id).to eq(:preparing)
    data.join("..", "blockhost-preparing").write("#{Process.pid} 1\n")
    expect(subject.state.id).to eq(:not_created)
    note.end
    expect(subject.state.id).to eq(:not_created)
  end

  it "asks nobody about a machine that has no id" do
    says(state: "running")
    allow(machine).to receive(:id).and_return(nil)
    expect(subject.state.id).to eq(:not_created)
    expect(calls).to eq([])
  end

  it "asks once for all machines of the project, however often the state is read" do
    %w[default db].each { |name| @dir.join("machines", name, "blockhost").tap(&:mkpath).join("id").write("#{name}1") }
    allow(machine).to receive(:id).and_return("default1")
    list = %w[default1 db1].map { |name| { name: name, state: "off" } }
    fake_program("echo '#{JSON.generate(vms: list)}'")
    5.times { expect(subject.state.id).to eq(:off) }
    expect(calls.map { |call| call.split.sort }).to eq([%w[db1 default1 inspect]])
  end

  it "knows where ssh leads while the machine runs" do
    says(state: "running", ssh: { host: "127.0.0.1", port: 22_001 })
    expect(subject.ssh_info).to include(host: "127.0.0.1", port: 22_001)
    expect(subject.ssh_info[:extra_args]).to include("ServerAliveInterval=10")
    says(state: "off", ssh: { host: "127.0.0.1", port: 22_001 })
    expect(subject.ssh_info).to be_nil
    says(state: "running", ssh: nil)
    expect(subject.ssh_info).to be_nil
  end

  it "is usable only where program and QEMU are" do
    says(state: "off")
    ENV["PATH"] = @dir.join("bin").to_s
    expect(described_class.usable?).to be(false)
    expect { described_class.usable?(true) }.to raise_error(VagrantPlugins::Blockhost::Errors::QemuMissing, /qemu-system-x86/)
    @dir.join("bin", "qemu-system-x86_64").tap { |file| file.write("#!/bin/sh\n") }.chmod(0o755)
    expect(described_class.usable?(true)).to be(true)
    @dir.join("bin", "blockhost-qemu").delete
    expect { described_class.usable?(true) }.to raise_error(VagrantPlugins::Blockhost::Errors::ProgramMissing)
  end

  it "answers every action that is not supported with an error that says so" do
    action = subject.action(:snapshot_everything)
    expect { action.call({}) }
      .to raise_error(VagrantPlugins::Blockhost::Errors::ActionNotSupported, /does not support the action "snapshot_everything"/)
  end
end
