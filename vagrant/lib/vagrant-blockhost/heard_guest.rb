# frozen_string_literal: true

require "net/ssh/errors"

require_relative "answer_timeout"
require_relative "errors"

module VagrantPlugins
  module Blockhost
    # For a machine of Vagrant's: what provisioners and others do by its communicator ends when the guest is silent
    # for longer than blockhost.answer_timeout (plugins/communicators/ssh/communicator.rb of Vagrant 2.3).
    module HeardGuest
      def communicate
        super.tap { |communicator| communicator.extend(Connection) if [nil, :ssh].include?(config.vm.communicator) }
      end

      # For that communicator.
      module Connection
        protected

        def connect(**options)
          seconds = @machine.provider_config.answer_timeout
          super(**options) do |session|
            AnswerTimeout.new(seconds).apply(session)
            yield session if block_given?
          rescue Net::SSH::Timeout, Errno::ETIMEDOUT, Errno::EHOSTUNREACH
            raise silent(seconds)
          rescue Vagrant::Errors::SSHDisconnected => e
            raise e.cause.is_a?(Net::SSH::Timeout) ? silent(seconds) : e
          end
        end

        private

        def silent(seconds)
          Errors::GuestSilent.new(seconds: seconds, state: @machine.state.short_description)
        end
      end
    end
  end
end
