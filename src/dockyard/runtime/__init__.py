"""Our containerd: images, root file systems, processes and the virtual network."""
