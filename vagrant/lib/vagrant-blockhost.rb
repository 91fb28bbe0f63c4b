# frozen_string_literal: true

require "pathname"

module VagrantPlugins
  module Blockhost
    def self.source_root
      @source_root ||= Pathname.new(File.expand_path("..", __dir__))
    end
  end
end

require_relative "vagrant-blockhost/version"
require_relative "vagrant-blockhost/plugin"
