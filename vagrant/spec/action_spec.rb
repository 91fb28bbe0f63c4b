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

  it "takes other folders, and those that are disabled" do
    folders.merge!("/a" => { type: "rsync" }, "/b" => {}, "/c" => { type: "9p", disabled: true })
    described_class::FoldersSupported.new(app, env).call(env)
    expect(reached).to eq([true])
  end
end
