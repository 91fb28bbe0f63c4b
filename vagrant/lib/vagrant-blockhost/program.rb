# frozen_string_literal: true

require "json"

require_relative "clock"
require_relative "errors"

module VagrantPlugins
  module Blockhost
    # Runs blockhost-qemu: an argv array, never a shell. Several machines of one `vagrant up` do so at once.
    module Program
      COMMAND = "blockhost-qemu"
      # The line that says why it failed begins with the name of the command; no other does.
      ERROR = /\A#{COMMAND} \S+: /
      # Anything that only looks answers well within this.
      LOOK_SECONDS = 20
      # After the first signal the program undoes what it did.
      UNDO_SECONDS = 60
      # What it said is there when it has ended, unless somebody it started holds the pipe.
      DRAIN_SECONDS = 2

      module_function

      # @return [String] what the command printed
      # @param interrupted [Proc] asked while the command runs; once true the command is told to end
      # @yield each line of progress, but for the error
      # @raise [Errors::CommandFailed]
      def run(*words, interrupted: -> { false }, limit: nil, &progress)
        out, err, status, late = execute(words.map(&:to_s), interrupted, limit, progress)
        return out if status&.success?

        raise Errors::CommandFailed, command: "#{COMMAND} #{words.first}", reason: late || reason(err, status)
      end

      # @return [Object] the JSON the command printed
      def json(*words)
        JSON.parse(run(*words, limit: LOOK_SECONDS))
      rescue JSON::ParserError
        raise Errors::BadReply, command: "#{COMMAND} #{words.first}"
      end

      def execute(words, interrupted, limit, progress)
        # Whatever the locale is: names of files are in what it says.
        out_reader, out_writer = IO.pipe(Encoding::UTF_8)
        err_reader, err_writer = IO.pipe(Encoding::UTF_8)
        # A group of its own: a Ctrl-C at the terminal reaches it once, from us, after Vagrant has noticed.
        pid = Process.spawn(COMMAND, *words, in: File::NULL, out: out_writer, err: err_writer, pgroup: true)
        [out_writer, err_writer].each(&:close)
        said = +""
        lines = []
        readers = [
          Thread.new { out_reader.each_line { |line| said << line } },
          Thread.new do
            err_reader.each_line(chomp: true) do |bytes|
              lines << (line = bytes.scrub)
              progress&.call(line) unless line.match?(ERROR)
            end
          end,
        ]
        status, late = wait(Process.detach(pid), pid, interrupted, limit)
        readers.each { |reader| reader.join(DRAIN_SECONDS) || reader.kill }
        [said, lines, status, late]
      rescue Errno::ENOENT
        raise Errors::ProgramMissing, command: COMMAND
      ensure
        [out_reader, out_writer, err_reader, err_writer].each { |io| io.close unless io.nil? || io.closed? }
      end

      # @return [Array] its status, and what is to be said when it had to be killed
      def wait(thread, pid, interrupted, limit)
        deadline = limit && (Clock.now + limit)
        late = nil
        until thread.join(0.05)
          if interrupted.call
            signal("TERM", pid)
            limit = UNDO_SECONDS
            deadline = Clock.now + limit
            interrupted = -> { false }
          elsif deadline && Clock.now > deadline
            signal("KILL", -pid)
            late = "it did not end within #{limit} s"
          end
        end
        [thread.value, late]
      end

      def signal(name, pid)
        Process.kill(name, pid)
      rescue Errno::ESRCH
        # It ended in between.
      end

      def reason(lines, status)
        last = lines.reject { |line| line.strip.empty? }.last
        return last.sub(ERROR, "") if last
        return "it was ended by signal #{status.termsig}" if status&.signaled?

        "it said nothing"
      end
      private_class_method :execute, :wait, :signal, :reason
    end
  end
end
