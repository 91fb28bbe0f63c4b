# frozen_string_literal: true

require_relative "spec_helper"

RSpec.describe VagrantPlugins::Blockhost::BoxImage do
  def box(metadata, *files)
    files.each { |name| @dir.join(name).write("x") }
    described_class.new(double(name: "b", directory: @dir, metadata: metadata))
  end

  it "knows the disk of our boxes, and of libvirt's first format" do
    image = box({ "provider" => "libvirt", "format" => "qcow2", "virtual_size" => 10 }, "box.img")
    expect([image.system, image.further, image.cloud_init?]).to eq([@dir.join("box.img").to_s, [], false])
    expect(box({ "cloud_init" => true }, "box.img")).to be_cloud_init
  end

  it "knows the disks of libvirt's second format" do
    image = box({ "disks" => [{ "path" => "a.qcow2" }, { "path" => "b.qcow2" }] }, "a.qcow2", "b.qcow2")
    expect([image.system, image.further]).to eq([@dir.join("a.qcow2").to_s, [@dir.join("b.qcow2").to_s]])
  end

  it "copies what is beside its disks, folders too" do
    image = box({ "disks" => [{ "path" => "a.qcow2" }] }, "a.qcow2", "metadata.json", "Vagrantfile")
    @dir.join("include").mkdir
    @dir.join("include", "_Vagrantfile").write("x")
    image.copy_rest(@dir.join("..", "#{@dir.basename}-copy"))
    copy = @dir.join("..", "#{@dir.basename}-copy")
    expect(copy.glob("**/*").map { |file| file.relative_path_from(copy).to_s }.sort)
      .to eq(%w[Vagrantfile include include/_Vagrantfile])
  ensure
    copy&.rmtree
  end

  it "refuses what is missing, or lies outside of the box" do
    error = VagrantPlugins::Blockhost::Errors::BadBox
    expect { box({}).system }.to raise_error(error, /box.img is not a file in it/)
    expect { box({ "disks" => [{ "path" => "../../etc/passwd" }] }).system }.to raise_error(error, /not a file in it/)
    @dir.join("link").make_symlink("/etc/passwd")
    expect { box({ "disks" => [{ "path" => "link" }] }).system }.to raise_error(error, /link is not a file in it/)
    expect { box({ "disks" => [{}] }).system }.to raise_error(error, /has no path/)
  end
end
