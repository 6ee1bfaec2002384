// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * /proc/device-tree for a machine that has none (test rigs only): its model and what it is compatible with, those of a
 * Raspberry Pi 4, as the virt machine's own tree says on arm64. A program looks there for what board it is on.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

/* A text of a device tree ends with a zero byte, and a list has one behind each of its texts. */
static const char model[] = "Raspberry Pi 4 Model B Rev 1.4";
static const char compatible[] = "raspberrypi,4-model-b\0brcm,bcm2711";

static int model_show(struct seq_file *file, void *unused)
{
	return seq_write(file, model, sizeof(model));
}

static int compatible_show(struct seq_file *file, void *unused)
{
	return seq_write(file, compatible, sizeof(compatible));
}

static struct proc_dir_entry *tree;

static int __init tree_init(void)
{
	tree = proc_mkdir("device-tree", NULL);
	if (!tree)
		return -ENOMEM;
	if (proc_create_single("model", 0444, tree, model_show) &&
	    proc_create_single("compatible", 0444, tree, compatible_show))
		return 0;
	proc_remove(tree);
	return -ENOMEM;
}

static void __exit tree_exit(void)
{
	proc_remove(tree);
}

module_init(tree_init);
module_exit(tree_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("/proc/device-tree of a machine without one (test rigs)");
