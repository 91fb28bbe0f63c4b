# frozen_string_literal: true

require "json"

require_relative "base"
require_relative "../box_image"
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
          vagrantfile(env, folder)
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

        # What the machine's own box said still holds, such as the shell its guest has: the box goes along, but for
        # its disks. It may have come from a box in the same way, and finds its own files where it is.
        def vagrantfile(env, folder)
          machine = env[:machine]
          if machine.box
            BoxImage.new(machine.box).copy_rest(folder.join("base"))
          elsif machine.config.vm.box
            env[:ui].warn(I18n.t("vagrant_blockhost.box_gone", box: machine.config.vm.box))
          end
          folder.join("Vagrantfile").write(<<~'RUBY')
            # Written by vagrant package (provider blockhost).
            %w[base/Vagrantfile include/_Vagrantfile].each do |name|
              file = File.expand_path("../#{name}", __FILE__)
              load file if File.file?(file)
            end
          RUBY
        end
      end
    end
  end
end
