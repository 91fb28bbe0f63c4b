# frozen_string_literal: true

require_relative "spec_helper"

require "net/ssh"
require "vagrant-blockhost/heard_guest"

RSpec.describe VagrantPlugins::Blockhost::AnswerTimeout do
  let(:listener) { TCPServer.new("127.0.0.1", 0) }
  let(:socket) { TCPSocket.new("127.0.0.1", listener.addr[1]) }
  let(:session) { double(options: {}, transport: double(socket: socket)) }
  after { [socket, listener].each(&:close) }

  def user_timeout
    socket.getsockopt(Socket::IPPROTO_TCP, Socket::TCP_USER_TIMEOUT).int
  end

  it "lets ssh ask so often that it ends in time" do
    expect(described_class.new(120).ssh_options)
      .to eq(%w[-o ConnectTimeout=120 -o ServerAliveInterval=30 -o ServerAliveCountMax=3])
    expect(described_class.new(1).ssh_options).to include("ServerAliveInterval=1")
  end

  it "lets a session of Net::SSH ask, and its socket end" do
    described_class.new(10).apply(session)
    expect(session.options).to eq(keepalive: true, keepalive_interval: 3, keepalive_maxcount: 3)
    expect(user_timeout).to eq(10_000)
  end

  it "sets no limit when it is 0" do
    described_class.new(0).apply(session)
    expect(session.options).to eq({})
    expect(user_timeout).to eq(0)
    expect(described_class.new(0).ssh_options).to be_nil
  end

  it "takes a connection by a proxy command as it is" do
    allow(session.transport).to receive(:socket).and_return(IO.pipe.first)
    described_class.new(10).apply(session)
    expect(session.options).to include(keepalive: true)
  end

  describe VagrantPlugins::Blockhost::HeardGuest do
    # As Vagrant's: it hands the session to the block, and has its own name for a connection that ended.
    let(:communicator) do
      Class.new do
        def initialize(machine, session)
          @machine, @session = machine, session
        end

        def execute
          connect do
            yield
          rescue Net::SSH::Disconnect
            raise Vagrant::Errors::SSHDisconnected
          end
        end

        def upload
          connect { yield }
        end

        protected

        def connect(**)
          yield @session
        end
      end
    end
    let(:requested) { nil }
    let(:machine) do
      communicator = self.communicator
      session = self.session
      klass = Class.new { define_method(:communicate) { @communicator ||= communicator.new(self, session) } }
      klass.new.tap do |machine|
        allow(machine).to receive_messages(
          provider_config: double(answer_timeout: 10), config: double(vm: double(communicator: requested)),
          state: double(short_description: "powered off")
        )
        machine.extend(described_class)
      end
    end

    [Net::SSH::Timeout, Errno::ETIMEDOUT, Errno::EHOSTUNREACH].each do |error|
      it "says what happened when a connection ends by #{error}" do
        %i[execute upload].each do |way|
          expect { machine.communicate.public_send(way) { raise error } }.to raise_error(
            VagrantPlugins::Blockhost::Errors::GuestSilent, /for 10 s \(the machine is powered off now\).*answer_timeout/m
          )
        end
        expect(session.options).to include(keepalive: true)
      end
    end

    it "passes on what a command gives, and other errors" do
      expect(machine.communicate.execute { 7 }).to eq(7)
      expect { machine.communicate.execute { raise Net::SSH::Disconnect } }
        .to raise_error(Vagrant::Errors::SSHDisconnected)
    end

    context "with another communicator" do
      let(:requested) { :winrm }

      it "leaves it alone" do
        machine.communicate.execute { nil }
        expect(session.options).to eq({})
      end
    end
  end
end
