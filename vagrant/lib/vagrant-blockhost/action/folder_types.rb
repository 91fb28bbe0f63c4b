# frozen_string_literal: true

require "vagrant/util/which"

require_relative "middleware"
require_relative "../errors"

module VagrantPlugins
  module Blockhost
    module Action
      # Before Vagrant looks at folders: another plugin may know these types, for a provider of its own.
      class FoldersSupported < Middleware
        NOT_SUPPORTED = %w[9p virtiofs].freeze

        def call(env)
          env[:machine].config.vm.synced_folders.each_value do |options|
            next if options[:disabled] || !NOT_SUPPORTED.include?(options[:type].to_s)

            raise Errors::FolderNotSupported, guest: options[:guestpath], type: options[:type]
          end
          @app.call(env)
        end
      end

      # Folders without a type go by rsync: it needs nothing of the host but a program. Left to itself
      # Vagrant may choose NFS, which needs root and a server. Without rsync the folder that every machine
      # has by default is left out, so that a first `up` works.
      class FolderTypes < Middleware
        def call(env)
          rsync = Vagrant::Util::Which.which("rsync")
          env[:machine].config.vm.synced_folders.each do |id, options|
            next if options[:disabled] || options[:type]
            next options[:type] = :rsync if rsync
            next unless id == "/vagrant"

            options[:disabled] = true
            env[:ui].warn(I18n.t("vagrant_blockhost.no_rsync"))
          end
          @app.call(env)
        end
      end
    end
  end
end
