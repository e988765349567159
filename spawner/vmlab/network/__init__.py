"""Who reaches whom: the machines' doors to hub and proxy, their way out, web servers in front."""
