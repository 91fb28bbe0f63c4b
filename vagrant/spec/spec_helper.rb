# frozen_string_literal: true

require "tmpdir"

# Vagrant looks into its home while it loads.
ENV["VAGRANT_HOME"] = Dir.mktmpdir("vagrant-blockhost-spec")
at_exit { FileUtils.rm_rf(ENV["VAGRANT_HOME"]) }

$LOAD_PATH.unshift(File.expand_path("../lib", __dir__))
require "vagrant"
require "vagrant-blockhost"

VagrantPlugins::Blockhost::Plugin.load_locale
%w[provider config network_plan box_image recipe preparing inventory program].each do |name|
  require "vagrant-blockhost/#{name}"
end

RSpec.configure do |config|
  config.disable_monkey_patching!
  config.order = :random
  config.raise_errors_for_deprecations!
  config.around { |example| Dir.mktmpdir { |dir| @dir = Pathname.new(dir); example.run } }
end

# A program on the PATH instead of blockhost-qemu: what it is given is in `calls`, what it says is the script's.
module FakeProgram
  def fake_program(script)
    bin = @dir.join("bin").tap(&:mkpath)
    file = bin.join("blockhost-qemu")
    file.write("#!/bin/sh\nprintf '%s\\n' \"$*\" >>#{@dir}/calls\n#{script}\n")
    file.chmod(0o755)
    @path ||= ENV.fetch("PATH")
    ENV["PATH"] = "#{bin}:#{@path}"
    VagrantPlugins::Blockhost::Inventory.forget
  end

  def calls
    @dir.join("calls").exist? ? @dir.join("calls").readlines(chomp: true) : []
  end

  def self.included(base)
    base.after { ENV["PATH"] = @path if @path }
  end
end
