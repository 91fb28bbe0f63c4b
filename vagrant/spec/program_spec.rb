# frozen_string_literal: true

require_relative "spec_helper"

RSpec.describe VagrantPlugins::Blockhost::Program do
  include FakeProgram
  errors = VagrantPlugins::Blockhost::Errors

  it "gives what the command prints, and its progress line by line" do
    fake_program("echo one >&2; echo two >&2; echo result")
    lines = []
    expect(described_class.run("create", "web1", 7) { |line| lines << line }).to eq("result\n")
    expect(lines).to eq(%w[one two])
    expect(calls).to eq(["create web1 7"])
  end

  it "fails with the last line the command said, without its own name" do
    fake_program("echo working >&2; echo 'blockhost-qemu start: VM web1: no room; free some' >&2; exit 1")
    lines = []
    expect { described_class.run("start", "web1") { |line| lines << line } }
      .to raise_error(errors::CommandFailed, /`blockhost-qemu start` failed: VM web1: no room; free some/)
    expect(lines).to eq(%w[working])
  end

  it "takes what is no text, and text beyond ASCII in any locale" do
    before = Encoding.default_external
    Encoding.default_external = Encoding::US_ASCII
    fake_program("printf 'caf\\303\\251\\n\\377\\n' >&2; exit 1")
    lines = []
    expect { described_class.run("start") { |line| lines << line } }.to raise_error(errors::CommandFailed)
    expect(lines).to eq(["caf\u00e9", "\ufffd"])
  ensure
    Encoding.default_external = before
  end

  it "says so when the command is not there" do
    fake_program("exit 0")
    ENV["PATH"] = @dir.join("nowhere").to_s
    expect { described_class.run("start", "web1") }.to raise_error(errors::ProgramMissing, /not on the PATH/)
  end

  it "tells an interrupted command to end, and waits until it has undone its work" do
    fake_program("trap 'echo undone >>#{@dir}/calls; exit 1' TERM; while :; do sleep 0.05; done")
    expect { described_class.run("create", interrupted: -> { calls.any? }) }.to raise_error(errors::CommandFailed)
    expect(calls).to eq(%w[create undone])
  end

  it "does not wait for ever for a command that only looks" do
    stub_const("#{described_class}::LOOK_SECONDS", 0.3)
    fake_program("exec sleep 60")
    began = VagrantPlugins::Blockhost::Clock.now
    expect { described_class.json("inspect") }.to raise_error(errors::CommandFailed, /did not end within 0.3 s/)
    expect(VagrantPlugins::Blockhost::Clock.now - began).to be < 30
  end

  it "does not wait for what somebody else holds who was started by the command" do
    stub_const("#{described_class}::DRAIN_SECONDS", 0.2)
    fake_program("setsid sleep 60 & echo $! >#{@dir}/left; echo result")
    began = VagrantPlugins::Blockhost::Clock.now
    expect(described_class.run("start")).to eq("result\n")
    expect(VagrantPlugins::Blockhost::Clock.now - began).to be < 30
    Process.kill("KILL", @dir.join("left").read.to_i)
  end

  it "tells of a signal that somebody else sent" do
    fake_program("kill -KILL $$")
    expect { described_class.run("start") }.to raise_error(errors::CommandFailed, /ended by signal 9/)
  end

  it "kills what does not end with all that belongs to it" do
    fake_program("sleep 60 & echo $! >#{@dir}/left; wait")
    expect { described_class.run("start", limit: 0.5) }.to raise_error(errors::CommandFailed, /within 0.5 s/)
    state = -> { File.read("/proc/#{@dir.join("left").read.to_i}/stat").rpartition(") ").last[0] rescue "gone" }
    100.times { state.call.match?(/\AZ|gone/) ? break : sleep(0.1) }
    expect(state.call).to match(/\AZ|gone/)
  end

  it "fails when JSON was expected and something else came" do
    fake_program("echo '<html>'")
    expect { described_class.json("inspect") }.to raise_error(errors::BadReply)
  end
end
