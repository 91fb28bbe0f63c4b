# frozen_string_literal: true

require "fileutils"
require "json"

require_relative "base"
require_relative "../recipe"

module VagrantPlugins
  module Blockhost
    module Action
      # Fills the folder that becomes a box: disk, metadata, Vagrantfile. Vagrant adds the machine's key.
      class ExportBox < Base
        GIB = 1024**3

        def call(env)
          folder = Pathname.new(env["package.directory"])
          say(env, "exporting")
          program(env, "export", env[:machine].id, folder.join("box.img"))
          folder.join("metadata.json").write(JSON.generate(metadata(env[:machine])))
          vagrantfile(env[:machine], folder)
          @app.call(env)
        end

        private

        def metadata(machine)
          size = machine.provider.description["disk_bytes"]
          {
            provider: "blockhost", format: "qcow2", virtual_size: (size / GIB.to_f).ceil,
            cloud_init: Recipe.new(machine).cloud_init?
          }
        end

        # What the machine's own box said still holds, such as the shell its guest has.
        def vagrantfile(machine, folder)
          base = machine.box&.directory&.join("Vagrantfile")
          FileUtils.cp(base, folder.join("Vagrantfile.base")) if base&.file?
          folder.join("Vagrantfile").write(<<~RUBY)
            # Written by vagrant package (provider blockhost).
            base = File.expand_path("../Vagrantfile.base", __FILE__)
            eval(File.read(base), binding, File.expand_path("../Vagrantfile", __FILE__)) if File.file?(base)
            included = File.expand_path("../include/_Vagrantfile", __FILE__)
            load included if File.file?(included)
          RUBY
        end
      end
    end
  end
end
