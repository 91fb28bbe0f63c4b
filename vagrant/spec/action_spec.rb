# frozen_string_literal: true

require_relative "spec_helper"

RSpec.describe VagrantPlugins::Blockhost::Action do
  include FakeProgram
  let(:config) { VagrantPlugins::Blockhost::Config.new }
  let(:folders) { {} }
  let(:vm) { double(synced_folders: folders, networks: []) }
  let(:machine) { double(id: "web1", data_dir: @dir, provider_config: config, config: double(vm: vm)) }
  let(:env) { { machine: machine } }
  let(:reached) { [] }
  let(:app) { ->(_env) { reached << true } }

  def limit(**limits)
    config.limits = limits
    config.finalize!
    described_class::Limits.new(app, env).call(env)
  end

  it "makes the limits of the machine those of the Vagrantfile, and takes away what it no longer names" do
    fake_program("exit 0")
    limit(iops_read: 50)
    limit
    limit
    expect(calls).to eq(["throttle web1 --reset --iops-read 50", "throttle web1 --reset"])
    expect(reached.length).to eq(3)
  end

  it "names the keys of limits that this host cannot keep, and remembers none" do
    fake_program("echo 'blockhost-qemu throttle: VM web1: CPU limits are not supported here' >&2; exit 1")
    expect { limit(cpu_quota: 50) }.to raise_error(
      VagrantPlugins::Blockhost::Errors::LimitsFailed, /\Ablockhost.limits \(cpu_quota\): .*CPU limits are not supported here/
    )
    expect(@dir.join("blockhost-limits")).not_to exist
    expect(reached).to be_empty
  end

  ["9p", :virtiofs].each do |type|
    it "refuses folders of type #{type} by their names" do
      folders["/srv"] = { guestpath: "/srv", type: type }
      expect { described_class::FoldersSupported.new(app, env).call(env) }.to raise_error(
        VagrantPlugins::Blockhost::Errors::FolderNotSupported, /synced_folder "\/srv": type "#{type}" is not supported/
      )
    end
  end

  it "leaves it to a person at a session how long to wait for the guest" do
    ssh = double(extra_args: nil, default: double(extra_args: %w[-C]))
    allow(machine).to receive_messages(config: double(ssh: ssh), ssh_info: { host: "h", extra_args: %w[-o x] })
    described_class::OpenSession.new(app, env).call(env)
    expect(env[:ssh_info]).to eq(host: "h", extra_args: %w[-C])
    expect(reached).to eq([true])
  end

  it "takes other folders, and those that are disabled" do
    folders.merge!("/a" => { type: "rsync" }, "/b" => {}, "/c" => { type: "9p", disabled: true })
    described_class::FoldersSupported.new(app, env).call(env)
    expect(reached).to eq([true])
  end

  describe "what waits for the guest" do
    let(:vm) { double(graceful_halt_timeout: 2, boot_timeout: 2, networks: []) }
    let(:ui) { double(output: nil, detail: nil, info: nil) }
    let(:env) { { machine: machine, ui: ui } }
    let(:state) { [:running] }
    let(:guest) { double }
    let(:machine) { double(guest: guest, config: double(vm: vm)) }

    before do
      stub_const("VagrantPlugins::Blockhost::GuestCall::LOOK_SECONDS", 0.05)
      allow(machine).to receive(:state) { double(id: state.first, short_description: state.first.to_s) }
    end

    def halt(&block)
      allow(guest).to receive(:capability, &block)
      described_class::GuestHalt.new(app, env).call(env)
      env[:result]
    end

    it "is told that the machine is off by the machine, when the guest took the connection with it" do
      expect(halt { state.replace([:off]) && sleep }).to be(true)
      expect(reached).to eq([true])
    end

    it "goes on when the guest neither answers nor powers off" do
      expect(halt { sleep }).to be(false)
      expect(reached).to eq([true])
    end

    it "goes on when the guest has agreed and does not power off" do
      expect(halt { true }).to be(false)
    end

    it "waits for the machine when the connection was lost" do
      expect(halt { Thread.new { sleep(0.2) && state.replace([:off]) } && raise(Errno::ETIMEDOUT) }).to be(true)
    end

    it "says why the guest cannot be asked" do
      expect(ui).to receive(:detail).with(/not yet ready for SSH/)
      expect(halt { raise Vagrant::Errors::SSHNotReady }).to be(false)
    end

    it "ends with a Ctrl-C" do
      expect { halt { env.store(:interrupted, true) && sleep } }.to raise_error(Vagrant::Errors::VagrantInterrupt)
    end

    it "does not ask when it must not, or the machine does not run" do
      env[:force_halt] = true
      expect(halt { raise "asked" }).to be(false)
      env.delete(:force_halt)
      state.replace([:unknown])
      expect(halt { raise "asked" }).to be(false)
    end

    it "fails when the guest does not get its networks done" do
      allow(VagrantPlugins::Blockhost::Recipe).to receive(:new)
        .and_return(double(cloud_init?: false, network: double(guest_networks: [{}])))
      allow(guest).to receive(:capability) { sleep }
      expect { described_class::GuestNetworks.new(app, env).call(env) }
        .to raise_error(VagrantPlugins::Blockhost::Errors::NetworksNotSet, /is running now/)
      expect(reached).to be_empty
    end
  end

  it "names the setting when the program refuses an option that comes from it" do
    fake_program("echo 'blockhost-qemu start: --memory 9000 is out of range; use one from 64 to 4000' >&2; exit 1")
    allow(VagrantPlugins::Blockhost::Recipe).to receive(:new).and_return(double(configure_options: []))
    env[:ui] = double(info: nil)
    expect { described_class::Start.new(app, env).call(env) }.to raise_error(
      VagrantPlugins::Blockhost::Errors::CommandFailed, /start` failed: blockhost.memory: --memory 9000 is out of range/
    )
  end

  it "packages a machine whose box was removed: without that box's Vagrantfile, and not as one of cloud-init" do
    fake_program("exit 0")
    config.finalize!
    ui = double(info: nil)
    allow(machine).to receive_messages(box: nil, provider: double(description: { "disk_bytes" => 1.5 * 1024**3 }))
    allow(vm).to receive(:box).and_return("tiny")
    expect(ui).to receive(:warn).with(/box tiny .* has been removed/)
    env.update("package.directory" => @dir.to_s, ui: ui)
    described_class::ExportBox.new(app, env).call(env)
    expect(JSON.parse(@dir.join("metadata.json").read))
      .to eq("provider" => "blockhost", "format" => "qcow2", "virtual_size" => 2, "cloud_init" => false)
    expect(@dir.join("base")).not_to exist
    expect(calls).to eq(["export web1 #{@dir.join("box.img")}"])
  end

  describe described_class::EnsureTemplate do
    let(:machine) { double(env: double, box: nil, provider_config: config) }

    before do
      stub_const("#{described_class}::PAUSE_SECONDS", 0.05)
      fake_program("echo '{\"template\":null}'")
      config.finalize!
      allow(machine.env).to receive(:lock).and_raise(Vagrant::Errors::EnvironmentLockedError, name: "x")
    end

    def ensure_template
      described_class.new(app, env).call(env)
    end

    it "waits no longer than a build can take while another Vagrant builds" do
      stub_const("#{described_class}::PATIENCE_SECONDS", 0.2)
      expect { ensure_template }.to raise_error(VagrantPlugins::Blockhost::Errors::TemplateBusy)
    end

    it "says how a user without root comes to a template when none can be built" do
      fake_program("[ $1 = inspect ] && exec echo '{\"template\":null}'
        echo 'blockhost-qemu build-template: needs root' >&2; exit 1")
      env[:ui] = double(info: nil)
      allow(machine.env).to receive(:lock).and_yield
      expect { ensure_template }.to raise_error(
        VagrantPlugins::Blockhost::Errors::NoTemplate, /needs root\n.*build-template --cloud-image .*config.vm.box/m
      )
      expect(reached).to be_empty
    end

    it "stops waiting at a Ctrl-C" do
      env[:interrupted] = true
      expect { ensure_template }.to raise_error(Vagrant::Errors::VagrantInterrupt)
    end
  end
end
