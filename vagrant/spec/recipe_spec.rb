# frozen_string_literal: true

require_relative "spec_helper"

RSpec.describe VagrantPlugins::Blockhost::Recipe do
  let(:config) { VagrantPlugins::Blockhost::Config.new }
  let(:ssh) do
    double(username: nil, default: double(username: "vagrant"), insert_key: true, private_key_path: nil, password: nil)
  end
  let(:box) { nil }
  let(:vm) { double(networks: [], hostname: nil, box: nil) }
  let(:machine) do
    double(name: :web_1, provider_config: config, box: box, data_dir: @dir, config: double(vm: vm, ssh: ssh),
           env: double(root_path: Pathname.new("/srv/My Project")))
  end
  subject { described_class.new(machine) }

  def options
    config.finalize!
    subject.create_options(@dir).map(&:to_s)
  end

  it "names machines after project and machine, in the words the program takes, and never twice the same" do
    names = Array.new(2) { described_class.new_name(machine) }
    expect(names).to all(match(/\AMy-Project-web-1-\h{6}\z/))
    expect(names.uniq.length).to eq(2)
    long = double(name: "x" * 80, env: double(root_path: nil))
    expect(described_class.new_name(long)).to match(/\A[A-Za-z0-9][A-Za-z0-9._-]{0,39}\z/)
  end

  it "with nothing configured it asks for the template, the account and the name" do
    expect(options).to eq(
      ["--apply", "--expiry-days", "36500", "--no-wait", "--hostname", "web-1",
       "--username", "vagrant", "--ssh-key", @dir.join("keys.pub").to_s]
    )
    expect(subject).to be_template
  end

  it "gives a machine with cloud-init a key of its own, private to its user" do
    options
    expect(@dir.join("keys.pub").read).to match(/\Assh-rsa \S+ vagrant\n\z/)
    expect(@dir.join("private_key").stat.mode & 0o777).to eq(0o600)
  end

  it "hands over sizes, user-data, disks and limits" do
    config.cpus = 2
    config.memory = 512
    config.disk = 30
    config.extra_disks = [5]
    config.user_data = ["#cloud-config\npackages: [jq]\n"]
    config.limits = { cpu_quota: 50, iops_read: 100 }
    expect(options.each_cons(2).to_a).to include(
      %w[--cpu 2], %w[--memory 512], %w[--disk 30], %w[--extra-disk 5], ["--user-data", @dir.join("user-data-0").to_s]
    )
    expect(@dir.join("user-data-0").read).to eq("#cloud-config\npackages: [jq]\n")
    expect(subject.limit_options).to eq(["--cpu-quota", 50, "--iops-read", 100])
  end

  it "changes a machine that is off to what the Vagrantfile says" do
    config.memory = 256
    config.finalize!
    expect(subject.configure_options).to eq(["--memory", 256, "--no-forward"])
  end

  context "with a box" do
    let(:box) do
      @dir.join("box.img").write("x")
      double(name: "b", directory: @dir, metadata: { "provider" => "libvirt" })
    end

    it "starts from its image, and lets Vagrant's well-known key in, which Vagrant replaces" do
      expect(options.each_cons(2).to_a).to include(["--image", @dir.join("box.img").to_s])
      expect(@dir.join("keys.pub").read).to match(/vagrant insecure public key$/)
      expect(@dir.join("private_key")).not_to exist
      expect(subject).not_to be_template
    end

    it "knows what its machine was made from when that box is gone, or another one" do
      config.finalize!
      subject.remember
      allow(vm).to receive(:box).and_return("b")
      expect(without_box).not_to be_cloud_init
      @dir.join("blockhost-origin").write('{"cloud_init":true}')
      expect([described_class.new(machine), without_box]).to all(be_cloud_init)
    end

    it "takes a box that is gone, and of which nothing is noted, for one without cloud-init" do
      config.finalize!
      allow(vm).to receive(:box).and_return("b")
      expect(without_box).not_to be_cloud_init
      @dir.join("blockhost-origin").write("")
      expect(without_box).not_to be_cloud_init
      config.cloud_init = true
      expect(without_box).to be_cloud_init
    end

    def without_box
      allow(machine).to receive(:box).and_return(nil)
      described_class.new(machine)
    end
  end
end
