"""Ours: persons and their clothes, semi-supervised."""

from configs.tables import base


def get_table():
  """See tables/definition.py."""
  return dict(
      title="Clothing (ccp_person), 8 classes",
      unit="percent",
      columns=[dict(name="100 labels", split="test",
                    arguments={"labels": 100}, labels=100, group="test")],
      rows=base.semisup_methods("ccp_person", cpu=True) + base.semisup_methods(
          "ccp_person", cpu=True, backbone="efficientnet_lite0") + [dict(
              name="s4GAN, feature matching alone" + base.BACKBONE,
              method="s4gan", setting="+ unlabeled",
              config="configs/semisup/ccp_person.py",
              arguments={"method": "s4gan", "cpu": True,
                         "backbone": "efficientnet_lite0"},
              overrides={"s4gan.self_training_weight": 0.0})],
      notes=("mIoU on the images of test; 1,086 more without labels.",
             "No ImageNet weights where the row does not state them."))
