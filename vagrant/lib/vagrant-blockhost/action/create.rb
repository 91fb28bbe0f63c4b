# frozen_string_literal: true

require "pathname"
require "tmpdir"

require_relative "base"
require_relative "../preparing"
require_relative "../recipe"

module VagrantPlugins
  module Blockhost
    module Action
      # Makes the machine and starts it. When anything fails before the machine is up, nothing is left.
      class Create < Base
        def call(env)
          machine = env[:machine]
          @recipe = Recipe.new(machine)
          @preparing = Preparing.new(machine)
          name = Recipe.new_name(machine)
          say(env, "creating", name: name)
          @recipe.network.ignored_forwards.each do |options|
            env[:ui].warn(I18n.t("vagrant_blockhost.forward_ignored", guest: options[:guest]))
          end
          @preparing.begin
          machine.id = @name = name
          @recipe.remember
          create(env, name)
          # A `vagrant status` that began before may have taken the machine for one that is not there.
          machine.id = name unless machine.data_dir.join("id").file?
          @preparing.end
          @app.call(env)
        end

        # A machine that came up and whose provisioning failed is kept: that is for its user to look at.
        def recover(env)
          return if @name.nil?

          if keep?(env)
            @preparing.end
            return
          end
          env[:ui].info(I18n.t("vagrant_blockhost.undoing"))
          Program.run("destroy", @name, limit: Destroy::PATIENCE_SECONDS)
          env[:machine].id = nil
        rescue Errors::Base => e
          # The id stays: `vagrant destroy` can finish this.
          env[:ui].error(e.message)
        ensure
          Inventory.forget
          @preparing&.end
          @name = nil
        end

        private

        def keep?(env)
          return true if env.key?(:destroy_on_error) && !env[:destroy_on_error]

          env[:blockhost_is_up] && !env["vagrant.error"].is_a?(Vagrant::Errors::VagrantInterrupt) &&
            env["vagrant.error"].is_a?(Vagrant::Errors::VagrantError)
        end

        def create(env, name)
          Dir.mktmpdir("vagrant-blockhost") do |directory|
            options = @recipe.create_options(Pathname.new(directory))
            program(env, "create", name, *options, &detail(env))
          end
          # Ended by our own signal, the command has undone its work and said so.
        rescue Errors::CommandFailed
          raise Vagrant::Errors::VagrantInterrupt if env[:interrupted]

          raise
        end
      end
    end
  end
end
