# frozen_string_literal: true

require "socket"

module VagrantPlugins
  module Blockhost
    # How long a guest may be silent on a connection by which Vagrant waits for it. A guest that vanishes from a
    # bridge closes nothing, and Net::SSH and ssh(1) left to themselves wait until TCP gives up, some 15 minutes.
    class AnswerTimeout
      DEFAULT_SECONDS = 120
      # So many questions may go unanswered; where the next one is due, the connection ends.
      QUESTIONS = 3

      # @param seconds [Integer] 0 for no limit
      def initialize(seconds)
        @seconds = seconds.to_i
      end

      # @return [Array<String>, nil] for ssh(1), under rsync
      def ssh_options
        return nil if @seconds.zero?

        { ConnectTimeout: @seconds, ServerAliveInterval: interval, ServerAliveCountMax: QUESTIONS }
          .flat_map { |key, value| ["-o", "#{key}=#{value}"] }
      end

      # @param session [Net::SSH::Connection::Session] which looks at its options each time it waits
      def apply(session)
        return if @seconds.zero?

        session.options.merge!(keepalive: true, keepalive_interval: interval, keepalive_maxcount: QUESTIONS)
        # Data that nobody takes block it where it asks no questions. A proxy command is no socket.
        socket = session.transport.socket
        return unless socket.is_a?(BasicSocket)

        socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_USER_TIMEOUT, @seconds * 1000)
      end

      private

      def interval
        (@seconds / (QUESTIONS + 1.0)).ceil
      end
    end
  end
end
