// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * /dev/gpiomem for a kernel without Raspberry Pi's own driver of that name (test rigs only): the registers of the
 * BCM283x pin controller, mapped for a program without further rights. rppal needs it.
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_address.h>

static struct resource registers;

static int gpiomem_mmap(struct file *file, struct vm_area_struct *area)
{
	unsigned long length = area->vm_end - area->vm_start;

	/* The controller's registers fill less than a page. */
	if (area->vm_pgoff || length > PAGE_SIZE)
		return -EINVAL;
	area->vm_page_prot = pgprot_device(area->vm_page_prot);
	return remap_pfn_range(area, area->vm_start, registers.start >> PAGE_SHIFT, length, area->vm_page_prot);
}

static const struct file_operations gpiomem_operations = {
	.owner = THIS_MODULE,
	.mmap = gpiomem_mmap,
};

static struct miscdevice gpiomem = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "gpiomem",
	.fops = &gpiomem_operations,
	.mode = 0660,
};

static int __init gpiomem_init(void)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "brcm,bcm2835-gpio");
	int result;

	if (!node)
		node = of_find_compatible_node(NULL, NULL, "brcm,bcm2711-gpio");
	if (!node)
		return -ENODEV;
	result = of_address_to_resource(node, 0, &registers);
	of_node_put(node);
	return result ? result : misc_register(&gpiomem);
}

static void __exit gpiomem_exit(void)
{
	misc_deregister(&gpiomem);
}

module_init(gpiomem_init);
module_exit(gpiomem_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("/dev/gpiomem of a BCM283x (test rigs)");
